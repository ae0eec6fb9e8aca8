/**
 * What Sealer and Opener are built on, for checks against published vectors and for measurements: these very functions, not
 * others like them. Everybody else takes the package's main entry.
 */
export { decrypt } from "./decrypt.ts";
export { encrypt } from "./encrypt.ts";
export { hkdfSha256 } from "./keys/hkdf.ts";
export { deriveCommitment, deriveSessionKeys } from "./keys/session-keys.ts";
export { Noise } from "./noise.ts";
