import { RECENT_IDS_MAX, TrustDocument } from "@scbe/contracts";
import { z } from "zod";

/** Characters of an id by which it is known again. */
const ID_CHARS = 12;

/** How long a provider stays out. */
export interface TrustConfig {
  /** ms, times the number of exclusions */
  readonly exclusionMs: number;
  /** ms */
  readonly exclusionMsMax: number;
}

export const TRUST_DEFAULTS: TrustConfig = { exclusionMs: 30_000, exclusionMsMax: 300_000 };

/** Everything that the scorer knows: what its readers get, and the ids by which it knows an event again. */
export const TrustState = z.strictObject({
  ...TrustDocument.shape,
  /** Ends of ids by {@link rememberedAs}, oldest first. */
  recent: z.record(z.string().max(129), z.array(z.string().max(ID_CHARS)).max(RECENT_IDS_MAX)),
});
export type TrustState = z.infer<typeof TrustState>;

/** Where ids are remembered: each teller's for itself, so that none can push out or anticipate another's. No name has a slash. */
export function rememberedAs(provider: string, teller: string | undefined): string {
  return teller === undefined ? provider : `${teller}/${provider}`;
}

/** By what an id is known again: its end, which its sender has drawn at random. Ids may be long, and the state must fit into one value of the bucket. */
export function rememberedId(id: string): string {
  return id.slice(-ID_CHARS);
}

/** The state before the first message of a stream that was made at `created`. */
export function emptyTrust(created: string): TrustState {
  return { v: 1, stream: { created, seq: 0 }, providers: {}, recent: {} };
}

/** The state for the stream that was made at `created`. In another one than before everything is new, and what is known stands. */
export function onStream(state: TrustState, created: string): TrustState {
  return state.stream.created === created ? state : { ...state, stream: { created, seq: 0 } };
}

/** With everything up to that number applied. */
export function upTo(state: TrustState, seq: number): TrustState {
  return seq === state.stream.seq ? state : { ...state, stream: { ...state.stream, seq } };
}

/** What readers get. */
export function documentOf({ recent: _, ...document }: TrustState): TrustDocument {
  return document;
}

export function encodeTrust(state: TrustState): Uint8Array {
  return Buffer.from(JSON.stringify(state));
}

/** The state that bytes of the bucket hold, or `undefined` when they are none. */
export function readTrust(bytes: Uint8Array): TrustState | undefined {
  try {
    return TrustState.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}
