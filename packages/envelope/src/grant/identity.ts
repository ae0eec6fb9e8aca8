/** A process's nkey: one Ed25519 identity for the bus and for the keys. */
export interface Identity {
  /** The public user nkey, `U` and 55 characters of base32. */
  readonly publicKey: string;
  /** Ed25519 (RFC 8032) over exactly these bytes; 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}
