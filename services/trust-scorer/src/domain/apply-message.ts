import type { TrustEvent, TrustEventResult } from "@scbe/contracts";
import { apply } from "./apply.ts";
import { readEvent, type TrustMessage } from "./read-event.ts";
import { isTeller, type Tellers } from "./tellers.ts";
import { type TrustConfig, type TrustState, upTo } from "./trust-state.ts";

/** A message of the trust stream, where it stands there. */
export interface StreamMessage extends TrustMessage {
  /** Its number in the stream. */
  readonly seq: number;
  /** When the stream stored it, in ms since the Unix epoch. */
  readonly at: number;
}

/** By what a message is read and weighed. */
export interface Reading {
  readonly providers: ReadonlySet<string>;
  readonly tellers: Tellers;
  readonly weighing: TrustConfig;
}

/** The state after one message of the stream. One that may not stand there changes the place alone. */
export function applyMessage(
  state: TrustState,
  message: StreamMessage,
  { providers, tellers, weighing }: Reading,
): { readonly state: TrustState; readonly result: TrustEventResult } {
  const { seq, at } = message;
  const event = readEvent(message, providers);
  if (event === undefined || !mayTell(event, tellers)) return { state: upTo(state, seq), result: "bad" };
  return { state: apply(state, { seq, at, event }, weighing), result: "applied" };
}

/** A user that was removed may have told before: its row was forgotten, and is not made again. */
function mayTell(event: TrustEvent, tellers: Tellers): boolean {
  return !("teller" in event) || isTeller(tellers, event.provider, event.teller);
}
