import type { Ring } from "./domain/ring.ts";

/** Makes and unwraps data keys. Both are bound to (app, env, kid): a copy unwraps only as what it was made for. */
export interface Kms extends Disposable {
  /**
   * A new data key.
   * @throws ScbeError NOT_READY when KMS does not give one now
   */
  generate(kid: string): Promise<GeneratedKey>;
  /**
   * The 32 bytes of a wrapped data key; the caller's to import and to zero.
   * @throws ScbeError NOT_READY when KMS is away, FORBIDDEN when it answers and refuses: it may not be asked for this
   *   key, or this is no copy for this kid and env
   */
  unwrap(wrapped: WrappedCopy): Promise<Uint8Array>;
}

export interface GeneratedKey {
  /** 32 bytes; the caller's to import and to zero. */
  readonly plaintext: Uint8Array;
  readonly wrapped: Uint8Array;
  /** The ARN of the KMS key that wrapped it. */
  readonly keyArn: string;
}

export interface WrappedCopy {
  readonly kid: string;
  readonly wrapped: Uint8Array;
  readonly keyArn: string;
}

/** Where the ring lives. */
export interface RingStore {
  /**
   * What is stored now; undefined: nothing.
   * @throws UnusableRecord FORBIDDEN when it is another environment's, INTERNAL when it is no ring; or what the bus throws
   */
  read(): Promise<StoredRing | undefined>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when somebody else wrote first. */
  write(ring: Ring, revision: number | undefined): Promise<StoredRing | undefined>;
  /** Runs when what is stored may have changed. */
  watch(listener: () => void): AsyncDisposable;
}

export interface StoredRing {
  readonly ring: Ring;
  readonly revision: number;
}
