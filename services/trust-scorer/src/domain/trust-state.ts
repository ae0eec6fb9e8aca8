import { RECENT_IDS_MAX, TrustDocument } from "@scbe/contracts";
import { z } from "zod";

/** Characters of an id that are remembered. */
const ID_CHARS = 12;

/** How long a provider is excluded. */
export interface TrustConfig {
  /** ms, times the number of exclusions */
  readonly exclusionMs: number;
  /** ms */
  readonly exclusionMsMax: number;
}

export const TRUST_DEFAULTS: TrustConfig = { exclusionMs: 30_000, exclusionMsMax: 300_000 };

/** The scorer's state: the document, and the ids by which it recognizes an event. */
export const TrustState = z.strictObject({
  ...TrustDocument.shape,
  /** Ends of ids by {@link rememberedAs}, oldest first. */
  recent: z.record(z.string().max(129), z.array(z.string().max(ID_CHARS)).max(RECENT_IDS_MAX)),
});
export type TrustState = z.infer<typeof TrustState>;

/** The key of remembered ids, for each teller by itself, so that no teller can displace or anticipate another's. Names have no slash. */
export function rememberedAs(provider: string, teller: string | undefined): string {
  return teller === undefined ? provider : `${teller}/${provider}`;
}

/** The part of an id that is remembered: its end, which its sender has drawn at random. Ids are long, and the state must fit into one value of the bucket. */
export function rememberedId(id: string): string {
  return id.slice(-ID_CHARS);
}

/** The state before the first message of a stream that was made at `created`. */
export function emptyTrust(created: string): TrustState {
  return { v: 1, stream: { created, seq: 0 }, providers: {}, recent: {} };
}

/** The state for the stream that was made at `created`. If that is another stream, all its messages are new, and trust is kept. */
export function onStream(state: TrustState, created: string): TrustState {
  return state.stream.created === created ? state : { ...state, stream: { created, seq: 0 } };
}

/** The state with everything up to that number applied. */
export function upTo(state: TrustState, seq: number): TrustState {
  return seq === state.stream.seq ? state : { ...state, stream: { ...state.stream, seq } };
}

/** The public part of the state. */
export function documentOf({ recent: _, ...document }: TrustState): TrustDocument {
  return document;
}

export function encodeTrust(state: TrustState): Uint8Array {
  return Buffer.from(JSON.stringify(state));
}

/** undefined: the bytes are not a state. */
export function readTrust(bytes: Uint8Array): TrustState | undefined {
  try {
    return TrustState.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}
