import { ControlState, type Kill, ScbeError } from "@scbe/contracts";

/** How far ahead a kill's generation is: longer than a write may take that has not heard of it. */
export const KILL_AHEAD_MS = 5000;

export interface Issuing {
  /** The highest generation that is known: stored, held, or acknowledged by a verifier. */
  readonly previous: number;
  /** The generation of the newest stored document that goes into this one. */
  readonly after: number;
  /** ms since the Unix epoch */
  readonly nowMs: number;
  /**
   * How far ahead of the time and of all that is known its generation is. A kill is sent before it is stored: so that whatever
   * somebody writes meanwhile who has not heard of it does not take its place.
   */
  readonly aheadMs?: number;
}

/** Characters of a state in JSON; more would not fit into a `SignedControl` once it is written in RFC 8785 form. */
const STATE_MAX = 32_000;
/** What is left of the words of a provider's kill where all of them would be too long. */
const SHORT_REASON = 40;
const SHORT_BY = 20;

/**
 * A state that is ready to be signed: its generation is above all that is known, and at least the time in ms, so that it is
 * newer even to a verifier that remembers what the store has lost.
 * @throws ScbeError BAD_REQUEST when it is none that a verifier could read
 */
export function nextDocument(
  content: ControlState,
  { previous, after, nowMs, aheadMs = 0 }: Issuing,
): ControlState {
  const issuedAt = Math.floor(nowMs);
  const generation = Math.max(previous + 1, issuedAt) + aheadMs;
  const parsed = ControlState.safeParse(fitted({ ...content, generation, issued_at: issuedAt, after }));
  if (!parsed.success || !isFitting(parsed.data)) {
    const where = parsed.error?.issues[0]?.path.join(".") ?? "it is too long";
    throw new ScbeError("BAD_REQUEST", `this is no control document that a verifier could read: ${where}`);
  }
  return parsed.data;
}

/** A kill must fit whatever else the document says: the words of its reasons are what can be spared. */
function fitted(state: ControlState): ControlState {
  if (isFitting(state)) return state;
  const { all, providers } = state.kill_switch;
  const short = Object.entries(providers).map(([provider, kill]) => [provider, shortened(kill)] as const);
  return { ...state, kill_switch: { all, providers: Object.fromEntries(short) } };
}

function shortened(kill: Kill): Kill {
  return { ...kill, reason: kill.reason.slice(0, SHORT_REASON), by: kill.by.slice(0, SHORT_BY) };
}

function isFitting(state: ControlState): boolean {
  return JSON.stringify(state).length <= STATE_MAX;
}
