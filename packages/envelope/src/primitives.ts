/**
 * The functions that Sealer and Opener use, for checks against published vectors and for measurements. Other code uses the package's
 * main entry.
 */
export { decrypt, encrypt } from "./aes-gcm.ts";
export { deriveCommitment, deriveSessionKeys, hkdfSha256 } from "./keys.ts";
export { Noise } from "./noise.ts";
