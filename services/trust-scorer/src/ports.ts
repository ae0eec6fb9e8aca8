import type { StreamPlace, TrustDocument } from "@scbe/contracts";
import type { StreamReader } from "@scbe/service-kit";
import type { TrustState } from "./domain/trust-state.ts";

/** Reads a stream on from some place. */
export type StreamSource = Pick<StreamReader, "bounds" | "get" | "next">;

/** Where all that the scorer knows lives. */
export interface TrustStore {
  /**
   * What is stored now; undefined: nothing.
   * @throws ScbeError INTERNAL when it is no state; what the bus throws
   */
  read(): Promise<StoredTrust | undefined>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when somebody else wrote first. */
  write(state: TrustState, revision: number | undefined): Promise<number | undefined>;
  /** Puts down what readers look up. */
  show(document: TrustDocument): Promise<void>;
}

export interface StoredTrust {
  readonly state: TrustState;
  readonly revision: number;
}

/** How much of the security stream was taken over. */
export interface RelayStore {
  /** undefined: nothing, or nothing that can be read. */
  read(): Promise<StreamPlace | undefined>;
  write(place: StreamPlace): Promise<void>;
}
