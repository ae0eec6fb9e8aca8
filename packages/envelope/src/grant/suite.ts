import {
  AEAD_AES_256_GCM,
  CipherSuite,
  type CryptoKey,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KeyPair,
} from "hpke";

/** RFC 9180 with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM; grants use its base mode. */
export const GRANT_SUITE = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** The asker's key pair for one question; the private half cannot be exported, and dies with the question. */
export type GrantKeys = KeyPair<CryptoKey>;

/** `k_enc || k_nonce`. */
export const GRANT_MATERIAL_BYTES = 64;
