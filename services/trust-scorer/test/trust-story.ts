import {
  INTEGRITY_CAUSES,
  OUTCOME_RESULTS,
  type OutcomeResult,
  type ProviderTrust,
  startingEvidence,
  type TellerTrust,
  type TrustEvent,
  tellerIn,
  trustIn,
} from "@scbe/contracts";
import fc from "fast-check";
import { apply, type StoredEvent } from "../src/domain/apply.ts";
import { type Tellers, withTellers } from "../src/domain/tellers.ts";
import { emptyTrust, TRUST_DEFAULTS, type TrustState } from "../src/domain/trust-state.ts";

export const START = 1_800_000_000_000;
export const CREATED = "2027-01-15T08:00:00Z";

/** One name is a property of every object. */
export const PROVIDERS = ["openai", "xai", "constructor"] as const;
export const OPENAI = PROVIDERS[0];
export const STORY_MAX = 80;
/** Users that report outcomes, each of all providers. */
export const TELLERS = ["orchestrator", "batch", "reports"] as const;
export const ORCHESTRATOR = TELLERS[0];
export const BATCH = TELLERS[1];

/** A deployment with that many of {@link TELLERS}. */
export function tellersOf(count: number): Tellers {
  return new Map(PROVIDERS.map((provider) => [provider, new Set<string>(TELLERS.slice(0, count))]));
}

/** A different id for each number. */
export function idOf(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}

/** An event of a story; its id and number come from its place. */
export type Plot =
  | {
      readonly kind: "outcome";
      readonly result: OutcomeResult;
      readonly latency_ms?: number;
      readonly count?: number;
    }
  | { readonly kind: "integrity"; readonly cause: (typeof INTEGRITY_CAUSES)[number] }
  | { readonly kind: "calibration"; readonly score: number }
  /** The number of the event that set the latch. */
  | { readonly kind: "clearing"; readonly of: number };

export function eventOf(
  plot: Plot,
  n: number,
  provider: string = OPENAI,
  teller: string = ORCHESTRATOR,
): TrustEvent {
  const common = { v: 1 as const, id: idOf(n), provider, at: START };
  const signature = { reason: "looked at it", by: "ana" };
  switch (plot.kind) {
    case "outcome":
      return { ...common, teller, latency_ms: 0, count: 1, request_id: idOf(n), ...plot };
    case "integrity":
      if (plot.cause === "nonce_reuse") return { ...common, kind: "integrity", cause: "nonce_reuse" };
      return { ...common, teller, kind: "integrity", cause: plot.cause };
    case "calibration":
      return { ...common, ...signature, ...plot };
    case "clearing":
      return { ...common, ...signature, kind: "clearing", clears: idOf(plot.of) };
  }
}

/** The event as a client reports it, without a teller. */
export function asReported(event: TrustEvent): unknown {
  return { ...event, teller: undefined };
}

const outcome = fc
  .record({
    kind: fc.constant("outcome" as const),
    result: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom<OutcomeResult>("timeout", "provider_error", "refused_again") },
      { weight: 2, arbitrary: fc.constant<OutcomeResult>("ok") },
      { weight: 1, arbitrary: fc.constantFrom(...OUTCOME_RESULTS) },
    ),
    latency_ms: fc.constantFrom(0, 0, 0, 5000, 60_000),
    count: fc.constantFrom(1, 1, 2, 17, 300),
  })
  .map((plot) => (plot.result === "ok" ? plot : { ...plot, count: 1 }));
const integrity = fc.record({
  kind: fc.constant("integrity" as const),
  cause: fc.constantFrom(...INTEGRITY_CAUSES),
});
const override = fc.oneof(
  fc.record({ kind: fc.constant("calibration" as const), score: fc.constantFrom(0, 0.1, 0.95, 1) }),
  fc.record({ kind: fc.constant("clearing" as const), back: fc.constantFrom(0, 0, 1) }),
);

export interface Cast {
  /** Whether the story has overrides. */
  readonly overrides?: boolean;
  /** The number of {@link TELLERS} that report; 1 by default. */
  readonly tellers?: number;
}

/** Up to 80 messages of a stream, with gaps in the numbers, and a clock that mostly advances. */
export function storyOf({ overrides = true, tellers = 1 }: Cast = {}): fc.Arbitrary<readonly StoredEvent[]> {
  const moment = fc.record({
    plot: fc.oneof(
      { weight: 14, arbitrary: outcome },
      { weight: 1, arbitrary: integrity },
      ...(overrides ? [{ weight: 1, arbitrary: override }] : []),
    ),
    provider: fc.constantFrom(OPENAI, OPENAI, ...PROVIDERS),
    teller: fc.constantFrom(...TELLERS.slice(0, tellers)),
    gap: fc.constantFrom(1, 1, 1, 7),
    passes: fc.constantFrom(0, 10, 1000, 20_000, 400_000, -2000),
  });
  return fc.array(moment, { maxLength: STORY_MAX, size: "max" }).map((moments) => {
    let [seq, at] = [0, START];
    const latching: Record<string, number[]> = {};
    return moments.map(({ plot, provider, teller, gap, passes }, n) => {
      seq += gap;
      at += passes;
      const own = Object.hasOwn(latching, provider) ? (latching[provider] ?? []) : [];
      if (plot.kind === "integrity") latching[provider] = [...own, n];
      const plotted: Plot =
        plot.kind === "clearing" ? { kind: "clearing", of: own.at(-1 - plot.back) ?? n } : plot;
      return { seq, at, event: eventOf(plotted, n, provider, teller) };
    });
  });
}

/** The state before the first message, in a deployment with that many tellers. */
export function begin(tellers = 1): TrustState {
  return withTellers(emptyTrust(CREATED), tellersOf(tellers));
}

/** The state before and after each message. */
export function steps(story: readonly StoredEvent[], tellers = 1, config = TRUST_DEFAULTS): readonly Step[] {
  let state = begin(tellers);
  return story.map((stored) => {
    const before = state;
    state = apply(before, stored, config);
    const { provider } = stored.event;
    const teller = "teller" in stored.event ? stored.event.teller : ORCHESTRATOR;
    return {
      ...{ stored, state, teller, before: trustIn(before, provider), after: trustIn(state, provider) },
      ...{ rowBefore: rowOf(before, provider, teller), rowAfter: rowOf(state, provider, teller) },
    };
  });
}

export interface Step {
  readonly stored: StoredEvent;
  /** The provider of the event. */
  readonly before: ProviderTrust;
  readonly after: ProviderTrust;
  /** The row of the event's teller; of the first teller if it has none. */
  readonly teller: string;
  readonly rowBefore: TellerTrust;
  readonly rowAfter: TellerTrust;
  readonly state: TrustState;
}

/** The state after all messages, in order. */
export function replay(story: readonly StoredEvent[], tellers = 1, config = TRUST_DEFAULTS): TrustState {
  return steps(story, tellers, config).at(-1)?.state ?? begin(tellers);
}

/** The row of one teller. */
export function rowOf(
  state: TrustState,
  provider: string = OPENAI,
  teller: string = ORCHESTRATOR,
): TellerTrust {
  const trust = trustIn(state, provider);
  return tellerIn(trust, teller) ?? { ...NO_ROW, w: startingEvidence(trust) };
}

const NO_ROW = { w: 0, samples: 0, exclusions: 0, exclusion: null, latch: null, at: 0 };

/** Messages of one provider, numbered from 1, each with its ms after the start. */
export function storyFrom(
  ...plots: readonly (readonly [ms: number, plot: Plot | OutcomeResult])[]
): StoredEvent[] {
  return plots.map(([ms, plot], n) => ({
    seq: n + 1,
    at: START + ms,
    event: eventOf(typeof plot === "string" ? { kind: "outcome", result: plot } : plot, n),
  }));
}

/** The same messages with each run of successes split into single ones, under new numbers. */
export function singly(story: readonly StoredEvent[]): StoredEvent[] {
  let [seq, id] = [0, 1_000_000];
  return story.flatMap(({ at, event }) => {
    seq += 1;
    if (event.kind !== "outcome" || event.count === 1) return [{ seq, at, event }];
    return times(event.count, event).map((run) => {
      seq += 1;
      id += 1;
      return { seq, at, event: { ...run, id: idOf(id), count: 1 } };
    });
  });
}

/** An item repeated. */
export function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}
