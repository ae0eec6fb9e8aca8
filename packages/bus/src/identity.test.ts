import { sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { nkeys } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSeed, importSeed, loadIdentity } from "./identity.ts";

let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

function file(content: string): string {
  const path = join(dir.path, "file");
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

const user = nkeys.createUser();
const SEED = Buffer.from(user.getSeed()).toString();
const JWT = `eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.${"e".repeat(60)}.${"s".repeat(60)}`;
const CREDS = `-----BEGIN NATS USER JWT-----
${JWT}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
${SEED}
------END USER NKEY SEED------
`;

describe("an identity", () => {
  it("is undefined without a file", () => {
    expect(loadIdentity({})).toBeUndefined();
  });

  it.each([
    ["a seed file", () => ({ nkeySeedFile: file(`${SEED}\n`) }), undefined],
    ["a credentials file", () => ({ credsFile: file(CREDS) }), JWT],
    [
      "a credentials file with the line ends of Windows",
      () => ({ credsFile: file(CREDS.replaceAll("\n", "\r\n")) }),
      JWT,
    ],
  ])("from %s signs as its public nkey", (_name, transport, jwt) => {
    const identity = loadIdentity(transport());
    expect(identity?.publicKey).toBe(user.getPublicKey());
    expect(identity?.jwt).toBe(jwt);
    const message = Buffer.from("signed");
    const signature = identity?.sign(message) ?? new Uint8Array();
    expect(nkeys.fromPublic(user.getPublicKey()).verify(message, signature)).toBe(true);
  });

  it("is not part of its JSON", () => {
    const identity = loadIdentity({ nkeySeedFile: file(SEED) });
    expect(JSON.stringify(identity)).not.toContain(SEED.slice(5, 50));
  });

  it.each([
    ["an empty file", ""],
    ["text", "not a seed"],
    ["a seed with one letter changed", SEED.slice(0, 20) + (SEED[20] === "A" ? "B" : "A") + SEED.slice(21)],
    ["an account's seed", Buffer.from(nkeys.createAccount().getSeed()).toString()],
    ["a public nkey", user.getPublicKey()],
  ])("is refused for %s, which the error does not quote", (_name, content) => {
    const path = file(content);
    const load = (): unknown => loadIdentity({ nkeySeedFile: path });
    expect(load).toThrow(
      expect.objectContaining({ code: "FORBIDDEN", message: `${path} holds no valid user seed` }),
    );
  });

  it("is refused for a credentials file without a seed, and for a missing file", () => {
    const half = file(CREDS.slice(0, CREDS.indexOf("-----BEGIN USER")));
    expect(() => loadIdentity({ credsFile: half })).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
    const missing = { nkeySeedFile: join(dir.path, "missing") };
    expect(() => loadIdentity(missing)).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  });
});

const BYTES = Buffer.from("some bytes");

describe.each(["user", "account", "operator"] as const)("a seed of an %s", (kind) => {
  it("is the same key for nkeys.js, whichever of the two created it", () => {
    for (let round = 0; round < 8; round += 1) {
      const seed = createSeed(kind);
      const other = nkeys.fromSeed(Buffer.from(seed));
      const own = importSeed(seed);
      expect(own?.publicKey).toBe(other.getPublicKey());
      if (own !== undefined) expect(other.verify(BYTES, sign(null, BYTES, own.key))).toBe(true);
    }
    const { user, account, operator } = {
      ...{ user: nkeys.createUser, account: nkeys.createAccount, operator: nkeys.createOperator },
    };
    const pair = { user, account, operator }[kind]();
    const text = Buffer.from(pair.getSeed()).toString();
    expect(importSeed(text)).toMatchObject({ kind, publicKey: pair.getPublicKey() });
  });

  it("is invalid with another checksum, another case or another length", () => {
    const seed = createSeed(kind);
    const swapped = seed.slice(0, 20) + (seed[20] === "A" ? "B" : "A") + seed.slice(21);
    for (const text of ["", swapped, seed.toLowerCase(), `${seed}A`, seed.slice(0, -1)])
      expect(importSeed(text)).toBeUndefined();
  });
});

it("a seed of a server is invalid here", () => {
  expect(importSeed(Buffer.from(nkeys.createServer().getSeed()).toString())).toBeUndefined();
});
