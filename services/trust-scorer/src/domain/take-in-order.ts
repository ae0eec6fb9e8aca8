import { apply, type StoredEvent } from "./apply.ts";
import type { TrustConfig, TrustState } from "./trust-state.ts";

/** Messages ahead of their turn that are kept. */
export const HELD_MAX = 1024;

/** An event as a consumer got it. */
export interface Delivery extends StoredEvent {
  /** The number of the message that is stored before it; for the first one of a consumer, the number that it began after. */
  readonly after: number;
}

/** The state, and what cannot be applied yet. */
export interface Intake {
  readonly state: TrustState;
  /** By number, ascending. */
  readonly held: readonly Delivery[];
  /** One was dropped as there were too many: the stream has to be read again from behind the state's place, into an intake that holds nothing. */
  readonly hasDropped: boolean;
}

/** Nothing held back: at the start, and before the stream is read again. */
export function openIntake(state: TrustState): Intake {
  return { state, held: [], hasDropped: false };
}

/**
 * With one more delivery, and everything applied whose turn it is.
 *
 * Decision: events are applied strictly in the stream's order, so that the state is that of a sequential replay in whatever order and however often they
 * come. A CUSUM with a floor depends on order, so nothing that merely adds up would do. Numbers alone do not tell whose turn it is, since the stream drops
 * messages at its bounds and leaves gaps: each delivery names the one before it, which the consumer knows. What is ahead of its turn waits in memory
 * alone. It is still in the stream, as is all that the stored state has not counted: a crash loses nothing.
 *
 * Weighed against: a window of recent events that is folded anew when one comes late (what is later than the window is lost); refusing all that is ahead
 * (each gap costs a redelivery of everything behind it).
 */
export function takeInOrder(intake: Intake, delivery: Delivery, config: TrustConfig): Intake {
  if (delivery.seq <= intake.state.stream.seq) return intake;
  let { state } = intake;
  const waiting = insert(intake.held, delivery);
  let turn = 0;
  for (let next = waiting[0]; next !== undefined && next.after <= state.stream.seq; next = waiting[turn]) {
    state = apply(state, next, config);
    turn += 1;
  }
  const held = waiting.slice(turn);
  return { state, held: held.slice(0, HELD_MAX), hasDropped: intake.hasDropped || held.length > HELD_MAX };
}

function insert(held: readonly Delivery[], delivery: Delivery): readonly Delivery[] {
  const at = held.findIndex(({ seq }) => seq >= delivery.seq);
  if (at === -1) return [...held, delivery];
  if (held[at]?.seq === delivery.seq) return held;
  return [...held.slice(0, at), delivery, ...held.slice(at)];
}
