import type { TrustDocument } from "@scbe/contracts";
import { emptyTrust, type TrustState } from "./trust-state.ts";

/** Of the trust stream, what its description says. */
export interface StreamEnds {
  readonly created: string;
  readonly first: number;
  readonly last: number;
}

/** What is left when the stored state cannot be read. */
export interface Remains {
  /** The newest state before it that can be read; undefined: none can. */
  readonly former: TrustState | undefined;
  /** The document that readers were shown last; undefined: there is none, or it cannot be read. */
  readonly shown: TrustDocument | undefined;
  readonly stream: StreamEnds;
}

/** Why a state cannot be mended, for people. */
export const UNMENDABLE = {
  unattested: "no state before it can be read, and no document says what it was",
  otherStream: "the trust stream was made anew since the newest state that can be read",
  shorter: "the trust stream ends before what was applied: was it restored?",
  dropped: "the trust stream has dropped messages that it needs",
  differs: "the trust stream does not lead to the document that readers were shown",
} as const;
export type Unmendable = keyof typeof UNMENDABLE;

/** A state to which every message after it is to be applied, and the document that the result is compared with on the way, if it is newer. */
export interface MendingPlan {
  readonly from: TrustState;
  readonly shown: TrustDocument | undefined;
}

/**
 * From where the lost state can be made again, as far as that can be told before the stream was read. Without any readable state it
 * is made from the first message on: whether the stream has ever been another one, with latches that stand, only the document tells.
 */
export function planMending({ former, shown, stream }: Remains): MendingPlan | Unmendable {
  const { created, first, last } = stream;
  const document = shown?.stream.created === created ? shown : undefined;
  if (former === undefined && document === undefined) return "unattested";
  const from = former ?? emptyTrust(created);
  if (from.stream.created !== created) return "otherStream";
  if (Math.max(from.stream.seq, document?.stream.seq ?? 0) > last) return "shorter";
  if (first > from.stream.seq + 1) return "dropped";
  return { from, shown: document };
}
