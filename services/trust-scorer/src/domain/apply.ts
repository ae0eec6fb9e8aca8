import {
  CONTROL_PROVIDERS_MAX,
  type ProviderTrust,
  RECENT_IDS_MAX,
  startingEvidence,
  type TellerTrust,
  type TrustEvent,
  tellerIn,
  trustIn,
} from "@scbe/contracts";
import { calibrate } from "./calibrate.ts";
import { countOutcome } from "./count-outcome.ts";
import { clearLatch, latchByReuse, latchByTeller } from "./latch.ts";
import { withRoom } from "./tellers.ts";
import { rememberedAs, rememberedId, type TrustConfig, type TrustState } from "./trust-state.ts";
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
 * one changes nothing; an event that was there already, only the place in the stream. What a teller tells changes its own row alone, and what all hold once enough
 * rows agree.
 */
export function apply(state: TrustState, stored: StoredEvent, config: TrustConfig): TrustState {
  if (stored.seq <= state.stream.seq) return state;
  const placed = { ...state, stream: { ...state.stream, seq: stored.seq } };
  const { event } = stored;
  const { provider } = event;
  const teller = "teller" in event ? event.teller : undefined;
  const key = rememberedAs(provider, teller);
  const recent = Object.hasOwn(state.recent, key) ? (state.recent[key] ?? []) : [];
  const id = rememberedId(event.id);
  if (recent.includes(id) || !hasRoom(state, provider)) return placed;
  const before = trustIn(state, provider);
  const applied = {
    ...placed,
    providers: { ...state.providers, [provider]: change(before, stored, config) },
    recent: { ...state.recent, [key]: [...recent, id].slice(-RECENT_IDS_MAX) },
  };
  const isNewRow = teller !== undefined && tellerIn(before, teller) === undefined;
  return isNewRow ? withRoom(applied, { provider, teller }) : applied;
}

function hasRoom({ providers }: TrustState, provider: string): boolean {
  return Object.hasOwn(providers, provider) || Object.keys(providers).length < CONTROL_PROVIDERS_MAX;
}

function change(trust: ProviderTrust, { event, at }: StoredEvent, config: TrustConfig): ProviderTrust {
  switch (event.kind) {
    case "outcome": {
      const { teller } = event;
      const row = countOutcome(rowOf(trust, teller, at), outcomeOf(trust, event, at), config);
      return { ...trust, tellers: { ...trust.tellers, [teller]: row } };
    }
    case "integrity": {
      if (event.cause === "nonce_reuse") return latchByReuse(trust, event, at);
      const { teller } = event;
      return latchByTeller(trust, { teller, row: rowOf(trust, teller, at), event, at });
    }
    case "calibration":
      return calibrate(trust, event, at);
    case "clearing":
      return clearLatch(trust, event);
  }
}

/** The teller's row, with its last report at `at`. */
function rowOf(trust: ProviderTrust, teller: string, at: number): TellerTrust {
  const known = tellerIn(trust, teller);
  if (known !== undefined) return { ...known, at };
  return { w: startingEvidence(trust), samples: 0, exclusions: 0, exclusion: null, latch: null, at };
}

function outcomeOf(trust: ProviderTrust, event: TrustEvent & { kind: "outcome" }, at: number) {
  const { result, count, latency_ms: latencyMs } = event;
  // While a person has taken the provider out, nothing counts until the next word.
  const weight = trust.calibration?.score === 0 ? 0 : WEIGHTS[result];
  return { weight, count, at, latencyMs };
}
