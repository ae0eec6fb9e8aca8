import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { nkeys } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadIdentity } from "./load-identity.ts";

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
  it("is nobody without a file", () => {
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

  it("is never shown, however it is printed", () => {
    const identity = loadIdentity({ nkeySeedFile: file(SEED) });
    expect(JSON.stringify(identity)).not.toContain(SEED.slice(5, 50));
  });

  it.each([
    ["an empty file", ""],
    ["text", "not a seed"],
    ["a seed with one letter changed", SEED.slice(0, 20) + (SEED[20] === "A" ? "B" : "A") + SEED.slice(21)],
    ["an account's seed", Buffer.from(nkeys.createAccount().getSeed()).toString()],
    ["a public nkey", user.getPublicKey()],
  ])("is refused for %s, which is not shown", (_name, content) => {
    const path = file(content);
    const load = (): unknown => loadIdentity({ nkeySeedFile: path });
    expect(load).toThrow(
      expect.objectContaining({ code: "FORBIDDEN", message: `${path} holds no valid user seed` }),
    );
  });

  it("is refused for a credentials file without a seed, and for a file that is not there", () => {
    const half = file(CREDS.slice(0, CREDS.indexOf("-----BEGIN USER")));
    expect(() => loadIdentity({ credsFile: half })).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
    const missing = { nkeySeedFile: join(dir.path, "missing") };
    expect(() => loadIdentity(missing)).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  });
});
