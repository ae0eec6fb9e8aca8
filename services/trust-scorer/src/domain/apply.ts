import {
  CONTROL_PROVIDERS_MAX,
  namesIn,
  type ProviderTrust,
  RECENT_IDS_MAX,
  readMessage,
  startingEvidence,
  type TellerTrust,
  TRUST_OVERRIDE_BYTES_MAX,
  TrustEvent,
  type TrustEventResult,
  tellerIn,
  trustIn,
} from "@scbe/contracts";
import { calibrate, countOutcome, type Outcome, WEIGHTS } from "./evidence.ts";
import { clearLatch, latchByReuse, latchByTeller } from "./latch.ts";
import { isTeller, type Tellers, withRoom } from "./tellers.ts";
import { rememberedAs, rememberedId, type TrustConfig, type TrustState, upTo } from "./trust-state.ts";

/** A message of the trust stream. */
export interface TrustMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

export interface StreamMessage extends TrustMessage {
  /** Its number in the stream. */
  readonly seq: number;
  /** When the stream stored it, in ms since the Unix epoch. */
  readonly at: number;
}

/** The configuration by which messages are applied. */
export interface ApplyRules {
  readonly providers: ReadonlySet<string>;
  readonly tellers: Tellers;
  readonly weighing: TrustConfig;
}

/** The state after one message of the stream. A message that is not a valid event changes the place in the stream alone. */
export function applyMessage(
  state: TrustState,
  message: StreamMessage,
  { providers, tellers, weighing }: ApplyRules,
): { readonly state: TrustState; readonly result: TrustEventResult } {
  const { seq, at } = message;
  const event = readEvent(message, providers);
  if (event === undefined || !isReporter(event, tellers)) return { state: upTo(state, seq), result: "bad" };
  return { state: apply(state, { seq, at, event }, weighing), result: "applied" };
}

/** False for the event of a removed user: its row was deleted, and is not made again. */
function isReporter(event: TrustEvent, tellers: Tellers): boolean {
  return !("teller" in event) || isTeller(tellers, event.provider, event.teller);
}

/** The longest id of an event. Senders draw far shorter ones; the remembered ids have to fit into one value of the bucket. */
const ID_MAX = 64;

/**
 * The event of a message; undefined: it is not a valid one. The bus authenticates the sender by the subject: a teller and its provider for
 * outcomes, the scorer for nonce reuse, the controller for operators' overrides.
 */
export function readEvent(
  { subject, data }: TrustMessage,
  providers: ReadonlySet<string>,
): TrustEvent | undefined {
  const event = readMessage(data, TrustEvent, TRUST_OVERRIDE_BYTES_MAX);
  if (event === undefined || !providers.has(event.provider) || event.id.length > ID_MAX) return undefined;
  return isAllowedOn(subject, event) ? event : undefined;
}

function isAllowedOn(subject: string, event: TrustEvent): boolean {
  switch (event.kind) {
    case "outcome":
      return isOwnReport(subject, event);
    case "integrity":
      if (event.cause === "nonce_reuse") return namesIn("trustReuse", subject)?.provider === event.provider;
      return isOwnReport(subject, event);
    case "calibration":
    case "clearing":
      return namesIn("trustWord", subject) !== undefined;
  }
}

function isOwnReport(
  subject: string,
  { teller, provider }: { readonly teller: string; readonly provider: string },
): boolean {
  const names = namesIn("outcome", subject);
  return names?.user === teller && names.provider === provider;
}

/** An event as stored in the stream. */
export interface StoredEvent {
  /** Its number in the stream. */
  readonly seq: number;
  /** When the stream stored it, in ms since the Unix epoch; every replay decides by the same time. */
  readonly at: number;
  readonly event: TrustEvent;
}

/**
 * The state after one event of the stream: a function of its arguments alone. A number that is not above the last one changes nothing; an
 * event that was applied before changes only the place in the stream. A teller's event changes its own row, and the values for all once
 * enough rows agree.
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

function outcomeOf(trust: ProviderTrust, event: TrustEvent & { kind: "outcome" }, at: number): Outcome {
  const { result, count, latency_ms: latencyMs } = event;
  // While an operator has calibrated the provider to 0, outcomes do not count.
  const weight = trust.calibration?.score === 0 ? 0 : WEIGHTS[result];
  return { weight, count, at, latencyMs };
}
