import { randomUUID } from "node:crypto";
import { type ErrorCode, errorCode, ScbeError, type TrustDocument, trustIn } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { TrustFollower } from "@scbe/verifier";
import { showTrustRow } from "../domain/show-trust.ts";
import type { TrustBody } from "../domain/trust-body.ts";
import { type TrustOverride, trustOverrides } from "../domain/trust-overrides.ts";
import type { Audit } from "../ports.ts";
import { hasApplied } from "./has-applied.ts";
import type { OverrideOutbox } from "./override-outbox.ts";
import type { TrustPort } from "./trust-port.ts";

export interface TrustServiceOptions {
  readonly outbox: Pick<OverrideOutbox, "keep" | "acknowledged">;
  readonly follower: Pick<TrustFollower, "document" | "isHeard" | "note" | "onChange">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now">;
}

/** Latches that an answer names. */
const SAID_MAX = 8;
/** From when a word is kept until the scorer has applied it, and this controller has heard so. */
const APPLIED_WITHIN_MS = 3000;

/** Where persons speak of trust. What they say is an event like any other: the stream alone says what the state is. */
export class TrustService implements TrustPort {
  readonly #options: TrustServiceOptions;

  constructor(options: TrustServiceOptions) {
    this.#options = options;
  }

  get document(): TrustDocument | undefined {
    return this.#options.follower.document;
  }

  get isHeard(): boolean {
    return this.#options.follower.isHeard;
  }

  get note(): string | undefined {
    return this.#options.follower.note;
  }

  async say(word: TrustBody, by: string): Promise<{ readonly isApplied: boolean }> {
    const { clock } = this.#options;
    const before = this.document;
    if (word.clears !== undefined) assertStands(before, word.provider, word.clears);
    const events = trustOverrides(word, { by, at: clock.now(), newId: randomUUID });
    try {
      const isApplied = await this.#tell(events, before);
      this.#audit(word, { by, before, came: isApplied ? "applied" : "kept" });
      return { isApplied };
    } catch (error) {
      this.#audit(word, { by, before, came: errorCode(error) });
      throw error;
    }
  }

  /**
   * @returns true when they are in force; false: they are kept, and will be
   * @throws ScbeError what keeping them throws; CONFLICT when the scorer refuses one
   */
  async #tell(words: readonly TrustOverride[], before: TrustDocument | undefined): Promise<boolean> {
    const { outbox } = this.#options;
    await outbox.keep(words);
    const timeUp = new AbortController();
    const timer = setTimeout(() => timeUp.abort(), APPLIED_WITHIN_MS);
    try {
      const seq = await outbox.acknowledged(words, timeUp.signal);
      return seq !== undefined && (await this.#applied(before, seq, timeUp.signal));
    } finally {
      clearTimeout(timer);
    }
  }

  async #applied(before: TrustDocument | undefined, seq: number, until: AbortSignal): Promise<boolean> {
    const { follower } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (hasApplied(seq, { held: follower.document, before })) resolve(true);
    };
    using _following = follower.onChange(look);
    const onTimeUp = (): void => resolve(false);
    until.addEventListener("abort", onTimeUp, { once: true });
    look();
    if (until.aborted) onTimeUp();
    return await promise;
  }

  #audit({ provider, reason, trust_score, clears }: TrustBody, { by, before, came }: Spoken): void {
    const { audit, clock } = this.#options;
    const at = clock.now();
    const said = {
      ...(trust_score !== undefined && { trust_score }),
      ...(clears !== undefined && { clears }),
    };
    audit.append({
      ...{ at, action: "trust", by, reason },
      before: showTrustRow(before, provider, at),
      after:
        came === "applied"
          ? showTrustRow(this.document, provider, at)
          : { provider, ...said, applied: false, ...(came === "kept" ? { kept: true } : { failed: came }) },
    });
  }
}

interface Spoken {
  readonly by: string;
  readonly before: TrustDocument | undefined;
  /** `applied` in time; `kept`, and not known to be applied; or the code with which it failed. */
  readonly came: "applied" | "kept" | ErrorCode;
}

/** @throws ScbeError CONFLICT, NOT_READY */
function assertStands(document: TrustDocument | undefined, provider: string, clears: string): void {
  if (document === undefined)
    throw new ScbeError("NOT_READY", "no trust scorer has been heard of, so it is not known what stands");
  const { latch, reuse, tellers } = trustIn(document, provider);
  const own = Object.entries(tellers).flatMap(([teller, row]) =>
    row.latch === null ? [] : [{ event: row.latch.event, says: `event ${row.latch.event} of ${teller}` }],
  );
  const all = [
    ...(latch === null
      ? []
      : [{ event: latch.event, says: `event ${latch.event}, cause ${latch.cause}, for all` }]),
    ...(reuse === null ? [] : [{ event: reuse.event, says: `event ${reuse.event} of a replay guard` }]),
    ...own,
  ];
  if (all.length === 0) throw new ScbeError("CONFLICT", `no latch of ${provider} stands`);
  if (all.some(({ event }) => event === clears)) return;
  const says = all.slice(0, SAID_MAX).map((it) => it.says);
  throw new ScbeError("CONFLICT", `other latches of ${provider} stand: ${says.join("; ")}`);
}
