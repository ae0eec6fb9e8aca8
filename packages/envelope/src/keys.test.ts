import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONTEXT, hkdf, IKM, lengthPrefixed, session, subkey } from "../test/craft.ts";
import { subkeysOf } from "../test/fixtures.ts";
import {
  deriveCommitment,
  deriveGrantMaterial,
  deriveSessionKeys,
  deriveSubkey,
  hkdfSha256,
  importSubkeys,
  type SubkeyName,
} from "./keys.ts";

const ikm = createSecretKey(IKM);
const NAMES: readonly SubkeyName[] = ["k_enc", "k_nonce", "k_log"];

describe("a subkey", () => {
  test.each(NAMES)("%s is the result of the specification's formula by HMAC", (name) => {
    expect(deriveSubkey(name, ikm, CONTEXT)).toEqual(subkey(name, CONTEXT));
  });

  test("k_enc of a known key has the known bytes", () => {
    // Made with another implementation of HMAC-SHA-256, Python's hmac: the formulas of docs/spec/envelope-v1.md, "Keys".
    expect(deriveSubkey("k_enc", ikm, CONTEXT).toString("hex")).toBe(
      "b6c9a7cb57f27347573463cab2646d209cc828ba54e21355c1ed40278d544c4f",
    );
    expect(deriveSubkey("k_nonce", ikm, CONTEXT).toString("hex")).toBe(
      "6a6850e333451ba9800ebeef09526309d1f4c740d0abc8c8f9c68bbb5b824bb1",
    );
    expect(deriveSubkey("k_log", ikm, CONTEXT).toString("hex")).toBe(
      "9ea3fdcbd0ab9899c89e03baab19351c632750af62057a0433800162cddb8ec2",
    );
  });

  test.each([
    ["a|b and c, a and b|c", { provider: "ab", intent: "c" }, { provider: "a", intent: "bc" }],
    ["nothing and ab, ab and nothing", { provider: "", intent: "ab" }, { provider: "ab", intent: "" }],
    ["env and provider", { env: "dev", provider: "openai" }, { env: "devopenai", provider: "" }],
    [
      "a value that holds another's length",
      { provider: "a", intent: "b" },
      { provider: "a\u0000\u0001b", intent: "" },
    ],
  ])("differs for contexts that would be equal without lengths: %s", (_, one, other) => {
    const first = deriveSubkey("k_enc", ikm, { ...CONTEXT, ...one });
    expect(deriveSubkey("k_enc", ikm, { ...CONTEXT, ...other })).not.toEqual(first);
  });

  test("differs for every name, env, provider and intent", () => {
    const context = fc.record({
      env: fc.constantFrom("dev", "staging", "prod"),
      provider: fc.string({ maxLength: 4 }),
      intent: fc.string({ maxLength: 4 }),
    });
    const input = fc.tuple(fc.constantFrom(...NAMES), context);
    fc.assert(
      fc.property(input, input, ([name, one], [otherName, other]) => {
        const same = JSON.stringify([name, one.env, one.provider, one.intent]);
        const isSame = same === JSON.stringify([otherName, other.env, other.provider, other.intent]);
        const equal = deriveSubkey(name, ikm, one).equals(deriveSubkey(otherName, ikm, other));
        expect(equal).toBe(isSame);
      }),
      { numRuns: 300 },
    );
  });

  test("material of a grant is k_enc and then k_nonce", () => {
    const material = deriveGrantMaterial(ikm, CONTEXT);
    expect(material).toEqual(Buffer.concat([subkey("k_enc"), subkey("k_nonce")]));
  });
});

describe("importing a grant's material", () => {
  test("takes its keys and leaves zeros", () => {
    const material = deriveGrantMaterial(ikm, CONTEXT);
    const subkeys = importSubkeys({ ...CONTEXT, kid: "k1" }, material);
    expect(material).toEqual(Buffer.alloc(64));
    expect(subkeys).toMatchObject({ ...CONTEXT, kid: "k1" });
    expect(subkeys.encKey.export()).toEqual(subkey("k_enc"));
    expect(subkeys.nonceKey.export()).toEqual(subkey("k_nonce"));
  });

  test.each([0, 32, 63, 65, 96])("of %i bytes is refused, and leaves zeros, too", (length) => {
    const material = Buffer.alloc(length, 1);
    expect(() => importSubkeys({ ...CONTEXT, kid: "k1" }, material)).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
    expect(material).toEqual(Buffer.alloc(length));
  });

  test("exposes no byte of a key in printed output", () => {
    const { inspect } = process.getBuiltinModule("node:util");
    const printed = inspect(subkeysOf(), { depth: 9, showHidden: true }) + JSON.stringify(subkeysOf());
    for (const key of [subkey("k_enc"), subkey("k_nonce")]) {
      for (const encoding of ["hex", "base64", "base64url"] as const) {
        expect(printed).not.toContain(key.toString(encoding).slice(0, 12));
      }
      expect(printed).not.toContain([...key.subarray(0, 4)].join(", "));
    }
  });
});

describe("a session's keys", () => {
  test.each(["request", "response"] as const)(
    "of a %s are the result of the specification's formulas",
    (phase) => {
      const of = session(phase);
      const { key, prefix } = deriveSessionKeys(subkeysOf(), phase, of.sessionId);
      expect(key.export()).toEqual(of.key);
      expect(Buffer.from(prefix)).toEqual(of.prefix);
      expect(deriveCommitment(subkeysOf(), phase, of.sessionId)).toEqual(of.commitment);
    },
  );

  test("differ for the other phase, for any other bit of the session id, and from each other", () => {
    const { sessionId } = session("request");
    const keyOf = (phase: "request" | "response", id: Buffer): string[] => [
      deriveSessionKeys(subkeysOf(), phase, id).key.export().toString("hex"),
      deriveCommitment(subkeysOf(), phase, id).toString("hex"),
    ];
    const all = [...keyOf("request", sessionId), ...keyOf("response", sessionId)];
    for (let bit = 0; bit < 256; bit += 1) {
      const other = Buffer.from(sessionId);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      all.push(...keyOf("request", other));
    }
    expect(new Set(all).size).toBe(4 + 512);
  });

  test("have the raw session id in their info, after the length-prefixed texts", () => {
    const sessionId = Buffer.alloc(32, 0xab);
    const info = Buffer.concat([
      lengthPrefixed("session", "A256GCM-HKDF-SHA256-COMMIT32", "request"),
      sessionId,
    ]);
    const expected = hkdf(subkey("k_enc"), "scbe/v1/session", info, 32);
    expect(deriveSessionKeys(subkeysOf(), "request", sessionId).key.export()).toEqual(expected);
  });
});

/** RFC 5869, appendix A.1 to A.3: the cases with SHA-256. */
const RFC_5869 = [
  {
    name: "A.1, basic",
    ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    name: "A.2, longer inputs and outputs",
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    okm: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    name: "A.3, empty salt and info",
    ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
    salt: "",
    info: "",
    okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
];

/** Every byte from `first` to `last`, as hex. */
function range(first: number, last: number): string {
  return Buffer.from(Array.from({ length: last - first + 1 }, (_, index) => first + index)).toString("hex");
}

describe("HKDF gives the result of RFC 5869, from bytes and from a KeyObject, in the appendix's case", () => {
  test.each(RFC_5869)("$name", ({ ikm, salt, info, okm }) => {
    const [secret, saltBytes, infoBytes] = [ikm, salt, info].map((hex) => Buffer.from(hex, "hex"));
    if (secret === undefined || saltBytes === undefined || infoBytes === undefined)
      throw new Error("no case");
    for (const key of [secret, createSecretKey(secret)]) {
      expect(hkdfSha256(key, saltBytes, infoBytes, okm.length / 2).toString("hex")).toBe(okm);
    }
  });
});

test("HKDF gives the result of the formulas of RFC 5869 by HMAC, for all inputs", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 300 }), (ikm, salt, info, length) => {
      expect(hkdfSha256(ikm, salt, info, length)).toEqual(hkdf(ikm, salt, info, length));
    }),
    { numRuns: 300 },
  );
});

test("HKDF gives no more than 255 blocks", () => {
  const none = new Uint8Array();
  expect(hkdfSha256(none, none, none, 255 * 32)).toHaveLength(8160);
  expect(() => hkdfSha256(none, none, none, 255 * 32 + 1)).toThrow(RangeError);
});
