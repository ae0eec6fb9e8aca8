import { ControlState, cutText, INTEGER_MAX, type Kill, ScbeError } from "@scbe/contracts";
import { type ControlDocument, supersedes } from "@scbe/envelope/control";
import type { ChainEnd } from "../audit/chain.ts";
import { addKills, engageKill, type ScopedKill } from "./state.ts";

/**
 * How far ahead a kill's generation is. A kill is sent before it is stored. A controller that has not received it may store another
 * document meanwhile, and that document must not supersede the kill.
 */
export interface Ahead {
  /** Ahead of the time: longer than such a write takes. */
  readonly ms: number;
  /** Ahead of all known generations: more than there can be such writes. Generations count on from there until the time catches up. */
  readonly generations: number;
}
export const KILL_AHEAD: Ahead = { ms: 5000, generations: 500 };
/** If the document in force is unknown: several kills in a row stay below this lead over the time. */
export const KILL_AHEAD_UNKNOWN: Ahead = { ...KILL_AHEAD, ms: 60_000 };
const NOT_AHEAD: Ahead = { ms: 0, generations: 0 };

/** A stored document. Generation 0 and no digest: nothing was stored. */
export interface StoredBefore {
  readonly generation: number;
  readonly digest?: string | undefined;
}

export interface Issuing {
  /** The highest known generation, stored or held. */
  readonly previous: number;
  /** The newest stored document that this one is based on. */
  readonly after: StoredBefore;
  /** ms since the Unix epoch */
  readonly nowMs: number;
  /** Default: not at all. */
  readonly ahead?: Ahead;
  /** The last known entry of the audit. Default: the entry that the content already names. */
  readonly auditEnd?: ChainEnd | undefined;
}

/** Characters of a state in JSON. A longer one may not fit into a `SignedControl` in RFC 8785 form. */
const STATE_MAX = 32_000;
/** Characters that the texts of a provider's kill keep if the document would be too long. */
const SHORT_REASON = 40;
const SHORT_BY = 20;

/**
 * A state that is ready to be signed. Its generation is above all known ones and at least the time in ms, so that it is newer even to a
 * verifier that remembers a document which the store has lost.
 * @throws ScbeError BAD_REQUEST if no verifier could read it; INTERNAL if no higher generation exists
 */
export function nextDocument(
  content: ControlState,
  { previous, after, nowMs, ahead = NOT_AHEAD, auditEnd = content.audit }: Issuing,
): ControlState {
  const issuedAt = Math.floor(nowMs);
  const generation = generationAfter(previous, issuedAt, ahead);
  const { after_digest: _, ...kept } = content;
  const issued = {
    ...kept,
    ...{ generation, issued_at: issuedAt, after: after.generation },
    ...(after.digest !== undefined && { after_digest: after.digest }),
    ...(auditEnd && { audit: auditEnd }),
  };
  const parsed = ControlState.safeParse(wellFormed(fitted(issued)));
  if (!parsed.success || !isFitting(parsed.data)) {
    const where = parsed.error?.issues[0]?.path.join(".") ?? "it is too long";
    throw new ScbeError("BAD_REQUEST", `this is no control document that a verifier could read: ${where}`);
  }
  return parsed.data;
}

/** What a controller knows at one moment. */
export interface Snapshot {
  /** In the store; undefined: the store is empty. */
  readonly stored: ControlDocument | undefined;
  /** The highest document that this controller has ever held; undefined: none. */
  readonly held: ControlDocument | undefined;
  /** Its own kills that are in no stored document yet. */
  readonly pending: readonly ScopedKill[];
  /** Applies if nothing is stored or held. */
  readonly first: ControlState;
}

/** What the next document is made from. */
export interface Basis {
  readonly state: ControlState;
  /** The newest stored document that it includes: `after` and `after_digest` of the next document. */
  readonly after: StoredBefore;
  /** The highest generation that it includes. */
  readonly previous: number;
}

/** The step that makes the store and the held document agree. */
export type ReconcileStep =
  | { readonly do: "nothing" }
  /** Store the held document as it was signed. */
  | { readonly do: "keep"; readonly document: ControlDocument }
  | { readonly do: "issue"; readonly basis: Basis };

/**
 * Decides which document the store must have next. A stored document is lost only to a newer held one. No kill that was sent is ever
 * lost: one that was made without knowledge of the stored document is engaged again on top of it.
 */
export function reconcile(snapshot: Snapshot): ReconcileStep {
  const basis = basisOf(snapshot);
  const { stored, held } = snapshot;
  // Verifiers hold the newer document, so it must be replaced even if its content is already stored.
  const isHeldNewer = stored !== undefined && held !== undefined && supersedes(held, stored);
  if (stored !== undefined && basis.state === stored.state && !isHeldNewer) return { do: "nothing" };
  if (held !== undefined && basis.state === held.state) return { do: "keep", document: held };
  return { do: "issue", basis };
}

/** What a change applies to. */
export function basisOf({ stored, held, pending, first }: Snapshot): Basis {
  const previous = Math.max(stored?.state.generation ?? 0, held?.state.generation ?? 0);
  const withKills = (state: ControlState): ControlState => pending.reduce(engageKill, state);
  if (stored === undefined || (held !== undefined && isOnTopOf(held, stored))) {
    return { state: withKills(held?.state ?? first), after: storedBefore(stored, held), previous };
  }
  const isHeldNewer = held !== undefined && supersedes(held, stored);
  const state = isHeldNewer ? addKills(stored.state, held.state) : stored.state;
  return { state: withKills(state), after: storedBefore(stored), previous };
}

/**
 * True if a newer document was made with knowledge of the stored one, and so includes it. Otherwise it is a kill that was sent during
 * another controller's write.
 */
function isOnTopOf(held: ControlDocument, stored: ControlDocument): boolean {
  return supersedes(held, stored) && afterOf(held) >= stored.state.generation;
}

/** The stored document; if nothing is stored, the one that the held document is based on. */
function storedBefore(stored: ControlDocument | undefined, held?: ControlDocument): StoredBefore {
  if (stored !== undefined) return { generation: stored.state.generation, digest: stored.digest };
  return held === undefined
    ? { generation: 0 }
    : { generation: afterOf(held), digest: held.state.after_digest };
}

function afterOf({ state }: ControlDocument): number {
  return state.after ?? state.generation;
}

/** Close to the highest generation that verifiers accept, a kill goes ahead by less. */
function generationAfter(previous: number, issuedAt: number, ahead: Ahead): number {
  if (previous >= INTEGER_MAX)
    throw new ScbeError(
      "INTERNAL",
      `a control document of generation ${previous} is known; there is none above it`,
    );
  return Math.min(INTEGER_MAX, Math.max(previous + 1 + ahead.generations, issuedAt + ahead.ms));
}

/** A kill must fit whatever else the document holds: the texts of its reasons are shortened first. */
function fitted(state: ControlState): ControlState {
  if (isFitting(state)) return state;
  const { all, providers } = state.kill_switch;
  const short = Object.entries(providers).map(([provider, kill]) => [provider, shortened(kill)] as const);
  return { ...state, kill_switch: { all, providers: Object.fromEntries(short) } };
}

/** RFC 8785 has no form for half of a surrogate pair. A text that was cut, or posted that way, may end in one. */
function wellFormed(state: ControlState): unknown {
  return JSON.parse(JSON.stringify(state), (_, value: unknown) =>
    typeof value === "string" ? value.toWellFormed() : value,
  );
}

function shortened(kill: Kill): Kill {
  return { ...kill, reason: cutText(kill.reason, SHORT_REASON), by: cutText(kill.by, SHORT_BY) };
}

function isFitting(state: ControlState): boolean {
  return JSON.stringify(state).length <= STATE_MAX;
}
