import { CONTROL_PROVIDERS_MAX, Name, NonceReuseEvent, TrustDocument } from "@scbe/contracts";
import { z } from "zod";

/** Ids of each provider's newest events that are remembered. The stream drops a second message of the same id for minutes, before this. */
export const RECENT_IDS_MAX = 96;

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
  /** By provider, oldest first. */
  recent: z
    .record(Name, z.array(NonceReuseEvent.shape.id).max(RECENT_IDS_MAX))
    .refine((it) => Object.keys(it).length <= CONTROL_PROVIDERS_MAX, "names too many providers"),
});
export type TrustState = z.infer<typeof TrustState>;

/** The state before the first message of a stream that was made at `created`. */
export function emptyTrust(created: string): TrustState {
  return { v: 1, stream: { created, seq: 0 }, providers: {}, recent: {} };
}

/** The state for the stream that was made at `created`. In another one than before everything is new, and what is known stands. */
export function onStream(state: TrustState, created: string): TrustState {
  return state.stream.created === created ? state : { ...state, stream: { created, seq: 0 } };
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
