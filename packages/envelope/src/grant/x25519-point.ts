import { coordinateIn } from "@scbe/contracts";

const P = 2n ** 255n - 19n;
/** u of the points of low order (RFC 7748, section 6.1), as far as 255 bits can write them. */
const LOW_ORDER_U: readonly bigint[] = [
  0n,
  1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
  P - 1n,
  P,
  P + 1n,
];

/**
 * True for an X25519 public key (32 bytes) with which every private key comes to a shared secret of zeros, so that what is sealed to it
 * is open to all (RFC 9180, section 7.1.4). X25519 ignores the highest bit, and so does this.
 */
export function isLowOrder(publicKey: Uint8Array): boolean {
  return LOW_ORDER_U.includes(coordinateIn(publicKey));
}
