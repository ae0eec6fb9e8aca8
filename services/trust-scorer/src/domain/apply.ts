import { CONTROL_PROVIDERS_MAX, type ProviderTrust, type TrustEvent, trustIn } from "@scbe/contracts";
import { calibrate } from "./calibrate.ts";
import { countOutcome } from "./count-outcome.ts";
import { clearLatch, latch } from "./latch.ts";
import { RECENT_IDS_MAX, type TrustConfig, type TrustState } from "./trust-state.ts";
import { WEIGHTS } from "./weights.ts";

/** An event as the stream has it. */
export interface StoredEvent {
  /** Its number in the stream. */
  readonly seq: number;
  /** When the stream stored it, in ms since the Unix epoch: stored with it, so that every replay decides by the same time. */
  readonly at: number;
  readonly event: TrustEvent;
}

/**
 * The state after one event of the stream: the same for the same arguments, whoever applies it and whenever. A number that is not above the last
 * one changes nothing; an event that was there already, only the place in the stream.
 */
export function apply(state: TrustState, stored: StoredEvent, config: TrustConfig): TrustState {
  if (stored.seq <= state.stream.seq) return state;
  const placed = { ...state, stream: { ...state.stream, seq: stored.seq } };
  const { provider, id } = stored.event;
  const recent = Object.hasOwn(state.recent, provider) ? (state.recent[provider] ?? []) : [];
  if (recent.includes(id) || !hasRoom(state, provider)) return placed;
  return {
    ...placed,
    providers: { ...state.providers, [provider]: change(trustIn(state, provider), stored, config) },
    recent: { ...state.recent, [provider]: [...recent, id].slice(-RECENT_IDS_MAX) },
  };
}

function hasRoom({ providers }: TrustState, provider: string): boolean {
  return Object.hasOwn(providers, provider) || Object.keys(providers).length < CONTROL_PROVIDERS_MAX;
}

function change(trust: ProviderTrust, { event, at }: StoredEvent, config: TrustConfig): ProviderTrust {
  switch (event.kind) {
    case "outcome":
    case "integrity":
      return weigh(trust, { event, at }, config);
    case "calibration":
      return calibrate(trust, event, at);
    case "clearing":
      return clearLatch(trust, event);
  }
}

function weigh(
  trust: ProviderTrust,
  { event, at }: { readonly event: TrustEvent & { kind: "outcome" | "integrity" }; readonly at: number },
  config: TrustConfig,
): ProviderTrust {
  const cause = event.kind === "outcome" ? event.result : event.cause;
  const { latency_ms: latencyMs, count } = event.kind === "outcome" ? event : NO_OUTCOME;
  const weight = WEIGHTS[cause];
  if ("integrity" in weight) return latch(trust, { cause, event: event.id, at });
  return countOutcome(trust, { weight: weight.quality, count, at, latencyMs }, config);
}

const NO_OUTCOME = { latency_ms: 0, count: 1 };
