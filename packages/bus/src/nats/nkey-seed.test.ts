import { sign } from "node:crypto";
import { nkeys } from "nats";
import { describe, expect, it } from "vitest";
import { createSeed, importSeed } from "./nkey-seed.ts";

const BYTES = Buffer.from("some bytes");

describe.each(["user", "account", "operator"] as const)("a seed of an %s", (kind) => {
  it("is the same key to nkeys.js, whichever of the two has made it", () => {
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

  it("is none with another checksum, another case or another length", () => {
    const seed = createSeed(kind);
    const swapped = seed.slice(0, 20) + (seed[20] === "A" ? "B" : "A") + seed.slice(21);
    for (const text of ["", swapped, seed.toLowerCase(), `${seed}A`, seed.slice(0, -1)])
      expect(importSeed(text)).toBeUndefined();
  });
});

it("a seed of a server is none that is known here", () => {
  expect(importSeed(Buffer.from(nkeys.createServer().getSeed()).toString())).toBeUndefined();
});
