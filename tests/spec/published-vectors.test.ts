import { createSecretKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jcs } from "@scbe/contracts";
import { decrypt, encrypt, hkdfSha256 } from "@scbe/envelope/primitives";
import { describe, expect, test } from "vitest";

/*
 * Published vectors, run on the modules that Sealer and Opener import. The last test asserts that no other modules exist: in the
 * packages, a cipher, an HKDF and a canonicaliser are each called in one file.
 */

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const VECTORS = process.env.SCBE_VECTORS_DIR || join(ROOT, "..", "shared", "vectors");
const areHere = existsSync(VECTORS);
const WHY = `no vectors in ${VECTORS}; SCBE_VECTORS_DIR names their folder`;
const isRequired = process.env.SCBE_REQUIRE_ALL === "1";

test("the published vectors are present, or this run may skip them", (context) => {
  if (!areHere && !isRequired) context.skip(WHY);
  expect(areHere, WHY).toBe(true);
});

interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly result: "valid" | "invalid" | "acceptable";
}
interface Wycheproof<Group, One> {
  readonly numberOfTests: number;
  readonly testGroups: readonly (Group & { readonly tests: readonly (One & Case)[] })[];
}
interface GcmGroup {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
}
type GcmCase = Readonly<Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag", string>>;
type HkdfCase = Readonly<Record<"ikm" | "salt" | "info" | "okm", string>> & { readonly size: number };

function read<Group, One>(file: string): Wycheproof<Group, One> {
  if (!areHere) return { numberOfTests: 0, testGroups: [] };
  return JSON.parse(readFileSync(join(VECTORS, "wycheproof", file), "utf8")) as Wycheproof<Group, One>;
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const titleOf = ({ tcId, comment, result }: Case): string => `${tcId} ${result} ${comment}`.trim();

describe.skipIf(!areHere)("Wycheproof, AES-GCM with keys of 256, nonces of 96 and tags of 128 bits", () => {
  const { testGroups } = read<GcmGroup, GcmCase>("aes_gcm_test.json");
  const cases = testGroups
    .filter(({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128)
    .flatMap(({ tests }) => tests);
  const valid = cases.filter(({ result }) => result === "valid");
  const invalid = cases.filter(({ result }) => result === "invalid");

  test("has valid and invalid cases only", () => {
    expect(valid.length).toBeGreaterThanOrEqual(39);
    expect(invalid.length).toBeGreaterThanOrEqual(27);
    expect(valid.length + invalid.length).toBe(cases.length);
  });

  test.each(valid.map((one) => [titleOf(one), one] as const))("is sealed and opened: %s", (_, one) => {
    const { key, nonce, parts, body } = gcm(one);
    const bytes = Buffer.concat([parts.aad, Buffer.alloc(body.length + 16)]);
    encrypt(key, nonce, body, { bytes, aadBytes: parts.aad.length });
    expect(bytes.toString("hex")).toBe(one.aad + one.ct + one.tag);
    expect(decrypt(key, nonce, parts)?.toString("hex")).toBe(one.msg);
  });

  test.each(invalid.map((one) => [titleOf(one), one] as const))("is refused: %s", (_, one) => {
    const { key, nonce, parts } = gcm(one);
    expect(decrypt(key, nonce, parts)).toBeUndefined();
  });

  test.each(valid.slice(0, 5).map((one) => [titleOf(one), one] as const))(
    "is refused with any tag but one of 16 bytes: %s",
    (_, one) => {
      const { key, nonce, parts } = gcm(one);
      for (const length of [0, 1, 4, 8, 12, 13, 14, 15]) {
        expect(decrypt(key, nonce, { ...parts, tag: parts.tag.subarray(0, length) })).toBeUndefined();
      }
      const longer = Buffer.concat([parts.tag, Uint8Array.of(0)]);
      expect(decrypt(key, nonce, { ...parts, tag: longer })).toBeUndefined();
    },
  );

  function gcm(one: GcmCase) {
    const parts = { headerText: "", aad: hex(one.aad), ciphertext: hex(one.ct), tag: hex(one.tag) };
    return { key: createSecretKey(hex(one.key)), nonce: hex(one.iv), body: hex(one.msg), parts };
  }
});

describe.skipIf(!areHere)("Wycheproof, HKDF with SHA-256", () => {
  const { testGroups, numberOfTests } = read<object, HkdfCase>("hkdf_sha256_test.json");
  const cases = testGroups.flatMap(({ tests }) => tests);

  test("has all its cases, valid and invalid ones", () => {
    expect(cases.length).toBe(numberOfTests);
    expect(cases.filter(({ result }) => result === "valid").length).toBeGreaterThanOrEqual(83);
    expect(cases.filter(({ result }) => result === "invalid").length).toBeGreaterThanOrEqual(3);
  });

  test.each(cases.map((one) => [titleOf(one), one] as const))("%s", (_, one) => {
    const derive = () => hkdfSha256(createSecretKey(hex(one.ikm)), hex(one.salt), hex(one.info), one.size);
    if (one.result === "valid") expect(derive().toString("hex")).toBe(one.okm);
    else expect(derive).toThrow(RangeError);
  });
});

describe.skipIf(!areHere)("RFC 8785, the test data of its author", () => {
  const folder = join(VECTORS, "rfc8785");

  test.each(["arrays", "french", "structures", "unicode", "values", "weird"])("%s.json", async (name) => {
    const value: unknown = JSON.parse(await readFile(join(folder, "input", `${name}.json`), "utf8"));
    const canonical = Buffer.from(jcs(value));
    expect(canonical).toEqual(await readFile(join(folder, "output", `${name}.json`)));
    const bytes = await readFile(join(folder, "outhex", `${name}.txt`), "latin1");
    expect(canonical.toString("hex")).toBe(bytes.replace(/\s/g, ""));
  });

  test("has no other file", async () => {
    const files = (await readdir(join(folder, "input"))).sort();
    expect(files).toEqual(
      ["arrays", "french", "structures", "unicode", "values", "weird"].map((name) => `${name}.json`),
    );
  });
});

describe("RFC 8785, the samples in its text", () => {
  test("sections 3.2.2 and 3.2.3: the sample object is written as the bytes of section 3.2.4", () => {
    const sample = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`;
    const bytes =
      "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b33333333333333" +
      "33332e333333333333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24" +
      "5c75303030665c6e4127425c225c5c5c5c5c222f227d";
    expect(Buffer.from(jcs(JSON.parse(sample))).toString("hex")).toBe(bytes);
  });

  /** Appendix B: IEEE 754 bits, and the text of the number. */
  test.each([
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ])("appendix B: the double %s is %s", (bits, expected) => {
    expect(jcs(hex(bits).readDoubleBE())).toBe(expected);
  });

  test.each([
    ["appendix B: NaN", "7fffffffffffffff"],
    ["appendix B: infinity", "7ff0000000000000"],
  ])("%s is refused", (_, bits) => {
    expect(() => jcs(hex(bits).readDoubleBE())).toThrow();
  });

  test("section 3.2.2.2: a lone surrogate is refused, as a value and as a name", () => {
    expect(() => jcs("\ud800")).toThrow();
    expect(() => jcs({ "\udead": 1 })).toThrow();
  });
});

test("the envelope has no cipher, HKDF or canonicaliser besides the ones above", async () => {
  const using = await searchIn("envelope");
  expect(using("createCipheriv")).toEqual(["aes-gcm.ts"]);
  expect(using("createDecipheriv")).toEqual(["aes-gcm.ts"]);
  expect(using("hkdfSync")).toEqual(["keys.ts"]);
  expect(using('from "canonicalize"')).toEqual([]);
  expect((await searchIn("contracts"))('from "canonicalize"')).toEqual(["message.ts"]);
  expect(using("subtle")).toEqual([]);
  expect(using('import { encrypt } from "./aes-gcm.ts"')).toEqual(["sealing-session.ts"]);
  expect(using('import { decrypt } from "./aes-gcm.ts"')).toEqual(["opener.ts"]);
});

/** Searches for the files of a package that contain a text. */
async function searchIn(name: string): Promise<(text: string) => string[]> {
  const source = join(ROOT, "packages", name, "src");
  const files = (await readdir(source, { recursive: true })).filter((file) => /(?<!\.test)\.ts$/.test(file));
  const texts = await Promise.all(files.map((file) => readFile(join(source, file), "utf8")));
  return (text) => files.filter((_, index) => texts[index]?.includes(text)).sort();
}
