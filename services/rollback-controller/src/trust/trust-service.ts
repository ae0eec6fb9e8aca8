import { randomUUID } from "node:crypto";
import { type Bucket, type Leading, mendedRecord, type StoreHost } from "@scbe/bus";
import { type ErrorCode, isScbeError, ScbeError, type TrustDocument, trustIn } from "@scbe/contracts";
import { type Clock, type Readiness, watchGauge } from "@scbe/runtime";
import { TrustFollower } from "@scbe/verifier";
import { kvOverrideStore } from "../edge/kv-override-store.ts";
import type { Audit } from "../ports.ts";
import { auditTrust } from "./audit-trust.ts";
import { OverrideOutbox } from "./override-outbox.ts";
import { OverrideRecord } from "./override-record.ts";
import { overrideEvents, type TrustBody, type TrustOverride } from "./overrides.ts";
import { type TrustFacts, viewTrustRow } from "./view.ts";

/** What the control API needs of trust. */
export interface TrustPort extends TrustFacts {
  /**
   * Stores a person's override until a trust scorer has acknowledged it, and waits some seconds until it is in force.
   * @returns whether it is in force; if not, it is stored and will be
   * @throws ScbeError CONFLICT when the latch to clear is not the current one, or the scorer refuses the override; BUSY when too many wait;
   *   NOT_READY when trust is unknown, or the store does not take the override
   */
  override(body: TrustBody, by: string): Promise<{ readonly isApplied: boolean }>;
}

export interface TrustPorts {
  readonly host: Pick<StoreHost, "bus" | "store" | "clock" | "log" | "metrics" | "readiness">;
  readonly audit: Audit;
  /** The control bucket. */
  readonly bucket: Bucket;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
}

export interface Trust extends AsyncDisposable {
  readonly follower: TrustFollower;
  readonly service: TrustService;
}

/** Follows the trust document, audits what comes into force, and takes people's overrides for the trust scorer. */
export function startTrust({ host, audit, bucket, leadership }: TrustPorts): Trust {
  const { bus, clock, log, metrics, readiness } = host;
  const stack = new AsyncDisposableStack();
  const follower = stack.use(
    new TrustFollower({ ...host, readiness: asNotes(readiness), asksControllers: false }),
  );
  stack.use(auditTrust({ follower, audit, leadership, clock, log }));
  const store = stack.use(kvOverrideStore(host.store, bucket));
  const onMended = mendedRecord({ metrics, readiness, log, record: "trust_words" });
  const record = new OverrideRecord({ store, onMended });
  const outbox = stack.use(
    new OverrideOutbox({ record, store, bus, leadership, audit, clock, log, readiness }),
  );
  stack.use(watchGauge(metrics, "scbe_trust_words_waiting", () => [[{}, outbox.waiting]]));
  return {
    follower,
    service: new TrustService({ outbox, follower, audit, clock }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Trust does not decide whether a controller is ready: it switches off and on without it. */
function asNotes(readiness: Readiness): Pick<Readiness, "set"> {
  return {
    set: (name, state) => {
      const note = state.ok ? state.note : state.reason;
      readiness.set(name, { ok: true, ...(note !== undefined && { note }) });
    },
  };
}

export interface TrustServiceOptions {
  readonly outbox: Pick<OverrideOutbox, "keep" | "acknowledged">;
  readonly follower: Pick<TrustFollower, "document" | "isHeard" | "note" | "onChange">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now">;
}

/** From the order until a trust scorer has applied the override and this controller knows of it. */
const APPLIED_WITHIN_MS = 3000;

/** Takes people's overrides of trust. An override is an event like any other: the stream alone determines the state. */
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

  async override(body: TrustBody, by: string): Promise<{ readonly isApplied: boolean }> {
    const { clock } = this.#options;
    const before = this.document;
    if (body.clears !== undefined) assertCurrent(before, body.provider, body.clears);
    const events = overrideEvents(body, { by, at: clock.now(), newId: randomUUID });
    try {
      const isApplied = await this.#deliver(events, before);
      this.#audit(body, { by, before, outcome: isApplied ? "applied" : "kept" });
      return { isApplied };
    } catch (error) {
      this.#audit(body, { by, before, outcome: isScbeError(error) ? error.code : "INTERNAL" });
      throw error;
    }
  }

  /**
   * @returns true when the overrides are in force; false: they are stored, and will be
   * @throws ScbeError what storing them throws; CONFLICT when the scorer refuses one
   */
  async #deliver(overrides: readonly TrustOverride[], before: TrustDocument | undefined): Promise<boolean> {
    const { outbox } = this.#options;
    await outbox.keep(overrides);
    const timeUp = new AbortController();
    const timer = setTimeout(() => timeUp.abort(), APPLIED_WITHIN_MS);
    try {
      const seq = await outbox.acknowledged(overrides, timeUp.signal);
      return seq !== undefined && (await this.#applied(before, seq, timeUp.signal));
    } finally {
      clearTimeout(timer);
    }
  }

  async #applied(before: TrustDocument | undefined, seq: number, until: AbortSignal): Promise<boolean> {
    const { follower } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const check = (): void => {
      if (hasApplied(seq, { held: follower.document, before })) resolve(true);
    };
    using _following = follower.onChange(check);
    const onTimeUp = (): void => resolve(false);
    until.addEventListener("abort", onTimeUp, { once: true });
    check();
    if (until.aborted) onTimeUp();
    return await promise;
  }

  #audit({ provider, reason, trust_score, clears }: TrustBody, { by, before, outcome }: Overridden): void {
    const { audit, clock } = this.#options;
    const at = clock.now();
    const ordered = {
      ...(trust_score !== undefined && { trust_score }),
      ...(clears !== undefined && { clears }),
    };
    const notApplied = outcome === "kept" ? { kept: true } : { failed: outcome };
    audit.append({
      ...{ at, action: "trust", by, reason },
      before: viewTrustRow(before, provider, at),
      after:
        outcome === "applied"
          ? viewTrustRow(this.document, provider, at)
          : { provider, ...ordered, applied: false, ...notApplied },
    });
  }
}

interface Overridden {
  readonly by: string;
  readonly before: TrustDocument | undefined;
  /** `applied` in time; `kept`, and not known to be applied; or the code with which it failed. */
  readonly outcome: "applied" | "kept" | ErrorCode;
}

/**
 * True when `held` includes the event `seq`. It must be another document than the one `before` the event was sent: the numbers of a stream
 * that was created again begin at 1.
 */
export function hasApplied(
  seq: number,
  { held, before }: { readonly held: TrustDocument | undefined; readonly before: TrustDocument | undefined },
): boolean {
  return held !== undefined && held !== before && held.stream.seq >= seq;
}

/** Latches that an answer names. */
const LATCHES_MAX = 8;

/** @throws ScbeError CONFLICT unless a latch of the provider names the event `clears`; NOT_READY without a trust document */
function assertCurrent(document: TrustDocument | undefined, provider: string, clears: string): void {
  if (document === undefined)
    throw new ScbeError("NOT_READY", "no trust scorer has been heard of, so no latch is known");
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
  if (all.length === 0) throw new ScbeError("CONFLICT", `${provider} has no latch`);
  if (all.some(({ event }) => event === clears)) return;
  const says = all.slice(0, LATCHES_MAX).map((it) => it.says);
  throw new ScbeError("CONFLICT", `${provider} has other latches: ${says.join("; ")}`);
}
