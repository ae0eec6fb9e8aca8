import { ControlState, cutText, INTEGER_MAX, type Kill, ScbeError } from "@scbe/contracts";
import type { ChainEnd } from "./audit-chain.ts";

/**
 * How far ahead a kill's generation is. A kill is sent before it is stored: so that no document takes its place that was made meanwhile by a
 * controller which has not heard of it.
 */
export interface Ahead {
  /** Of the time: longer than such a write may take. */
  readonly ms: number;
  /** Of all generations that are known: more than such writes may be. They count from there on while it is ahead of the time. */
  readonly generations: number;
}
export const KILL_AHEAD: Ahead = { ms: 5000, generations: 500 };
/** Where the document in force is not known: kills in a row go ahead of the time by less than that. */
export const KILL_AHEAD_UNKNOWN: Ahead = { ...KILL_AHEAD, ms: 60_000 };
const NOT_AHEAD: Ahead = { ms: 0, generations: 0 };

/** A stored document; of generation 0, without a digest: nothing was stored. */
export interface StoredBefore {
  readonly generation: number;
  readonly digest?: string | undefined;
}

export interface Issuing {
  /** The highest generation that is known: stored or held. */
  readonly previous: number;
  /** The newest stored document that goes into this one. */
  readonly after: StoredBefore;
  /** ms since the Unix epoch */
  readonly nowMs: number;
  /** Not at all unless told. */
  readonly ahead?: Ahead;
  /** The last entry of the audit that is known; unless told, the one that the document named before. */
  readonly auditEnd?: ChainEnd | undefined;
}

/** Characters of a state in JSON; more would not fit into a `SignedControl` once it is written in RFC 8785 form. */
const STATE_MAX = 32_000;
/** What is left of the words of a provider's kill where all of them would be too long. */
const SHORT_REASON = 40;
const SHORT_BY = 20;

/**
 * A state that is ready to be signed: its generation is above all that is known, and at least the time in ms, so that it is
 * newer even to a verifier that remembers what the store has lost.
 * @throws ScbeError BAD_REQUEST when it is none that a verifier could read; INTERNAL when no generation is left that one could
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

/** Not beyond what every verifier takes: near to that a kill goes ahead by less. */
function generationAfter(previous: number, issuedAt: number, ahead: Ahead): number {
  if (previous >= INTEGER_MAX)
    throw new ScbeError(
      "INTERNAL",
      `a control document of generation ${previous} is known; there is none above it`,
    );
  return Math.min(INTEGER_MAX, Math.max(previous + 1 + ahead.generations, issuedAt + ahead.ms));
}

/** A kill must fit whatever else the document says: the words of its reasons are what can be spared. */
function fitted(state: ControlState): ControlState {
  if (isFitting(state)) return state;
  const { all, providers } = state.kill_switch;
  const short = Object.entries(providers).map(([provider, kill]) => [provider, shortened(kill)] as const);
  return { ...state, kill_switch: { all, providers: Object.fromEntries(short) } };
}

/** RFC 8785 has no form for half of a surrogate pair, which a text may end in that was cut or posted like that. */
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
