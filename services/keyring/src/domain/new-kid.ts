/**
 * A name for a new data key: its day, for people, and 64 random bits, for uniqueness across keyrings.
 * @param random 8 bytes
 */
export function newKid(nowMs: number, random: Uint8Array): string {
  const day = new Date(nowMs).toISOString().slice(0, 10).replaceAll("-", "");
  return `k${day}-${Buffer.from(random).toString("hex")}`;
}
