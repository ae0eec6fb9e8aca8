import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from "node:crypto";
import { hkdfExpand, hkdfExtract } from "./reference.ts";

/* RFC 9180 with a given ephemeral key, which libraries do not allow: DHKEM(X25519, HKDF-SHA256) (0x0020),
 * HKDF-SHA256 (0x0001), AES-256-GCM (0x0002), base mode. */

const KEM_SUITE_ID = Buffer.from("KEM\x00\x20", "latin1");
const HPKE_SUITE_ID = Buffer.from("HPKE\x00\x20\x00\x01\x00\x02", "latin1");
const NOTHING = Buffer.alloc(0);
const MODE_BASE = 0;

export interface X25519Pair {
  readonly privateKey: KeyObject;
  readonly publicBytes: Buffer;
}

/** @param secret 32 bytes, the private key of RFC 7748 */
export function x25519Pair(secret: Uint8Array): X25519Pair {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret]);
  const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const publicBytes = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
  return { privateKey, publicBytes };
}

/**
 * Seals one message to `recipient`, aad empty (RFC 9180, sections 4.1, 5.1 and 6.1).
 * @param lowOrder an encapsulated key of low order, in place of the ephemeral one: the Diffie-Hellman value is 0 then, which must be refused
 */
export function hpkeSeal(
  recipient: Uint8Array,
  ephemeral: X25519Pair,
  info: Uint8Array,
  plaintext: Uint8Array,
  lowOrder?: Uint8Array,
): { enc: Uint8Array; ct: Buffer } {
  const enc = lowOrder ?? ephemeral.publicBytes;
  const dh = lowOrder === undefined ? agree(recipient, ephemeral) : Buffer.alloc(32);
  const secret = encapsulated(dh, enc, recipient);
  const context = Buffer.concat([
    Uint8Array.of(MODE_BASE),
    labeledExtract(HPKE_SUITE_ID, NOTHING, "psk_id_hash", NOTHING),
    labeledExtract(HPKE_SUITE_ID, NOTHING, "info_hash", info),
  ]);
  const prk = labeledExtract(HPKE_SUITE_ID, secret, "secret", NOTHING);
  const key = labeledExpand(HPKE_SUITE_ID, prk, "key", context, 32);
  const nonce = labeledExpand(HPKE_SUITE_ID, prk, "base_nonce", context, 12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const ct = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return { enc, ct };
}

function agree(recipient: Uint8Array, ephemeral: X25519Pair): Buffer {
  const spki = Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), recipient]);
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
  return diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
}

function encapsulated(dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Buffer {
  const prk = labeledExtract(KEM_SUITE_ID, NOTHING, "eae_prk", dh);
  return labeledExpand(KEM_SUITE_ID, prk, "shared_secret", Buffer.concat([enc, recipient]), 32);
}

function labeledExtract(suiteId: Buffer, salt: Buffer, label: string, ikm: Uint8Array): Buffer {
  return hkdfExtract(salt, Buffer.concat([Buffer.from("HPKE-v1"), suiteId, Buffer.from(label), ikm]));
}

function labeledExpand(
  suiteId: Buffer,
  prk: Buffer,
  label: string,
  context: Uint8Array,
  length: number,
): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(length);
  const info = Buffer.concat([size, Buffer.from("HPKE-v1"), suiteId, Buffer.from(label), context]);
  return hkdfExpand(prk, info, length);
}
