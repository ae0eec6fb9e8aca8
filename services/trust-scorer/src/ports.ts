import type { StreamReader } from "@scbe/bus";
import type { StreamPlace, TrustDocument } from "@scbe/contracts";
import type { TrustState } from "./domain/trust-state.ts";

/** Reads a stream from a number on. */
export type StreamSource = Pick<StreamReader, "bounds" | "batch">;

/** The store of the state and the document. */
export interface TrustStore {
  /** The stored state; undefined: none. */
  read(): Promise<StoredTrust | UnreadableTrust | undefined>;
  /** The newest readable state among the values that the store keeps; undefined: none. */
  newestReadable(): Promise<TrustState | undefined>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when another scorer wrote first. */
  write(state: TrustState, revision: number | undefined): Promise<number | undefined>;
  /** Publishes the document. */
  writeDocument(document: TrustDocument): Promise<void>;
  /** The published document, of any scorer; undefined: none, or unreadable. */
  readDocument(): Promise<TrustDocument | undefined>;
}

export interface StoredTrust {
  readonly state: TrustState;
  readonly revision: number;
}

/** A stored value that is not a state. */
export interface UnreadableTrust {
  readonly state: undefined;
  readonly revision: number;
}

/** The store of the relay's place in the security stream. */
export interface RelayStore {
  /** undefined: none, or unreadable. */
  read(): Promise<StreamPlace | undefined>;
  write(place: StreamPlace): Promise<void>;
}
