import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Phase } from "../src/header/header.ts";
import { hkdfSha256 } from "../src/keys/hkdf.ts";
import { deriveCommitment, deriveSessionKeys } from "../src/keys/session-keys.ts";
import { importSubkeys } from "../src/keys/subkeys.ts";

/** What cannot be seen from outside the package; the rest of docs/spec/vectors is tested in tests/. */
const VECTORS = join(import.meta.dirname, "../../../docs/spec/vectors");

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(VECTORS, `${name}.json`), "utf8")) as T;
}

function unhex(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

describe("the keys of a session", () => {
  type Texts = Record<"env" | "provider" | "intent" | "k_enc" | "k_nonce", string>;
  type Session = Texts & { phase: Phase } & Record<"session_id" | "s_key" | "commitment" | "prefix", string>;

  test.each(read<{ sessions: Session[] }>("derivations").sessions)(
    "of $env $provider $intent, $phase",
    (vector) => {
      const subkeys = importSubkeys({ ...vector, kid: "k" }, unhex(vector.k_enc + vector.k_nonce));
      const sessionId = unhex(vector.session_id);
      const { key, prefix } = deriveSessionKeys(subkeys, vector.phase, sessionId);
      expect(key.equals(createSecretKey(unhex(vector.s_key)))).toBe(true);
      expect(Buffer.from(prefix)).toEqual(unhex(vector.prefix));
      expect(deriveCommitment(subkeys, vector.phase, sessionId)).toEqual(unhex(vector.commitment));
    },
  );
});

describe("noise", () => {
  type NoiseVector = Record<"name" | "noise_key" | "sha256" | "noise", string>;

  test.each(read<{ vectors: NoiseVector[] }>("noise").vectors)("for $name", (vector) => {
    const noise = hkdfSha256(unhex(vector.noise_key), "scbe/v1/noise", unhex(vector.sha256), 512);
    expect(noise).toEqual(unhex(vector.noise));
  });
});
