import { randomUUID } from "node:crypto";
import {
  type CalibrationEvent,
  type ClearingEvent,
  isScbeError,
  ScbeError,
  SUBJECTS,
  type TrustDocument,
  trustIn,
} from "@scbe/contracts";
import type { Bus, Clock, TrustFollower } from "@scbe/service-kit";
import { showTrustRow } from "../domain/show-trust.ts";
import type { TrustBody } from "../domain/trust-body.ts";
import { trustWords } from "../domain/trust-words.ts";
import type { Audit } from "../ports.ts";
import { hasApplied } from "./has-applied.ts";
import type { TrustPort } from "./trust-port.ts";

export interface TrustDeskOptions {
  readonly bus: Pick<Bus, "publishAcknowledged">;
  readonly follower: Pick<TrustFollower, "document" | "isHeard" | "note" | "onChange">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now">;
}

/** For each event, until the stream has it. */
const PUBLISH_TIMEOUT_MS = 2000;
/** Until the scorer has applied it, and this controller has heard so. */
const APPLIED_WITHIN_MS = 3000;

/** Where persons speak of trust. What they say is an event like any other: the stream alone says what the state is. */
export class TrustDesk implements TrustPort {
  readonly #options: TrustDeskOptions;

  constructor(options: TrustDeskOptions) {
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
    const events = trustWords(word, { by, at: clock.now(), newId: randomUUID });
    const seq = await this.#publish(events).catch((error: unknown) => {
      this.#audit(word, { by, before, isApplied: false });
      throw error;
    });
    const isApplied = await this.#applied(before, seq);
    this.#audit(word, { by, before, isApplied });
    return { isApplied };
  }

  /** @returns the number of the last one in the stream */
  async #publish(events: readonly (CalibrationEvent | ClearingEvent)[]): Promise<number> {
    let last = 0;
    for (const event of events) last = await this.#publishOne(event);
    return last;
  }

  async #publishOne(event: CalibrationEvent | ClearingEvent): Promise<number> {
    const options = { id: event.id, timeoutMs: PUBLISH_TIMEOUT_MS };
    try {
      const bytes = Buffer.from(JSON.stringify(event));
      return (await this.#options.bus.publishAcknowledged(SUBJECTS.trustWord, bytes, options)).seq;
    } catch (cause) {
      if (!isScbeError(cause)) throw cause;
      const says = `the trust stream has not acknowledged the ${event.kind} (${cause.code}); see whether it came about, then say it again`;
      throw new ScbeError("NOT_READY", says, { cause });
    }
  }

  async #applied(before: TrustDocument | undefined, seq: number): Promise<boolean> {
    const { follower } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (hasApplied(seq, { held: follower.document, before })) resolve(true);
    };
    using _following = follower.onChange(look);
    const timer = setTimeout(resolve, APPLIED_WITHIN_MS, false);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #audit({ provider, reason, trust_score, clears }: TrustBody, { by, before, isApplied }: Spoken): void {
    const { audit, clock } = this.#options;
    const at = clock.now();
    const said = {
      ...(trust_score !== undefined && { trust_score }),
      ...(clears !== undefined && { clears }),
    };
    audit.append({
      ...{ at, action: "trust", by, reason },
      before: showTrustRow(before, provider, at),
      after: isApplied ? showTrustRow(this.document, provider, at) : { provider, ...said, applied: false },
    });
  }
}

interface Spoken {
  readonly by: string;
  readonly before: TrustDocument | undefined;
  readonly isApplied: boolean;
}

/** @throws ScbeError CONFLICT, NOT_READY */
function assertStands(document: TrustDocument | undefined, provider: string, clears: string): void {
  if (document === undefined)
    throw new ScbeError("NOT_READY", "no trust scorer has been heard of, so it is not known what stands");
  const { latch } = trustIn(document, provider);
  if (latch === null) throw new ScbeError("CONFLICT", `no latch of ${provider} stands`);
  if (latch.event === clears) return;
  const { cause, event } = latch;
  throw new ScbeError("CONFLICT", `another latch of ${provider} stands: event ${event}, cause ${cause}`);
}
