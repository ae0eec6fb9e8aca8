import type { StreamReader } from "@scbe/bus";
import type { StreamPlace, TrustDocument } from "@scbe/contracts";
import type { TrustState } from "./domain/trust-state.ts";

/** Reads a stream on from some place. */
export type StreamSource = Pick<StreamReader, "bounds" | "batch">;

/** Where all that the scorer knows lives. */
export interface TrustStore {
  /** What is stored now; undefined: nothing. */
  read(): Promise<StoredTrust | UnreadableTrust | undefined>;
  /** The newest of the values that the store still has which is a state; undefined: none is. */
  former(): Promise<TrustState | undefined>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when somebody else wrote first. */
  write(state: TrustState, revision: number | undefined): Promise<number | undefined>;
  /** Puts down what readers look up. */
  show(document: TrustDocument): Promise<void>;
  /** What was put down last, by whichever scorer led; undefined: nothing, or nothing that can be read. */
  shown(): Promise<TrustDocument | undefined>;
}

export interface StoredTrust {
  readonly state: TrustState;
  readonly revision: number;
}

/** A stored value that is no state. */
export interface UnreadableTrust {
  readonly state: undefined;
  readonly revision: number;
}

/** How much of the security stream was taken over. */
export interface RelayStore {
  /** undefined: nothing, or nothing that can be read. */
  read(): Promise<StreamPlace | undefined>;
  write(place: StreamPlace): Promise<void>;
}
