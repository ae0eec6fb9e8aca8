/** Who a process is on the bus: one nkey, which authenticates its connection and signs what it says. */
export interface Identity {
  /** The public nkey: `U` and 55 characters of base32. */
  readonly publicKey: string;
  /** Ed25519 over `bytes` (RFC 8032): 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}
