import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKeyFile, localKms, readKeyFile } from "./local-kms.ts";

const KID = "k20260102-0123456789abcdef";

function newKey(): KeyObject {
  return createSecretKey(randomBytes(32));
}

const key = newKey();
const kms = localKms(key, "dev");

test("a data key is 32 random bytes, and unwraps for its kid", async () => {
  const [first, second] = await Promise.all([kms.generate(KID), kms.generate(KID)]);
  expect(first.plaintext).toHaveLength(32);
  expect(Buffer.from(first.plaintext).equals(second.plaintext)).toBe(false);
  expect(await kms.unwrap({ kid: KID, ...first })).toEqual(first.plaintext);
});

test("the same key file unwraps a copy again after a restart", async () => {
  const made = await kms.generate(KID);
  const later = localKms(createSecretKey(key.export()), "dev");
  expect(await later.unwrap({ kid: KID, ...made })).toEqual(made.plaintext);
});

test("no two copies share a nonce, and none contains its data key", async () => {
  const copies = await Promise.all(Array.from({ length: 200 }, () => kms.generate(KID)));
  const nonces = copies.map(({ wrapped }) => Buffer.from(wrapped.subarray(0, 12)).toString("hex"));
  expect(new Set(nonces).size).toBe(copies.length);
  for (const { wrapped, plaintext } of copies) {
    expect(wrapped).toHaveLength(60);
    expect(Buffer.from(wrapped).includes(Buffer.from(plaintext.subarray(0, 8)))).toBe(false);
  }
});

test("the name of the wrapping key identifies the key file, and reveals nothing of the key", async () => {
  const { keyArn } = await kms.generate(KID);
  const other = await localKms(newKey(), "dev").generate(KID);
  expect(keyArn).toMatch(/^local:[0-9a-f]{32}$/);
  expect(other.keyArn).not.toBe(keyArn);
  expect((await localKms(key, "staging").generate(KID)).keyArn).toBe(keyArn);
  expect(key.export().toString("hex")).not.toContain(keyArn.slice("local:".length));
});

test("a copy is refused for another kid or environment", async () => {
  const made = await kms.generate(KID);
  await expect(kms.unwrap({ ...made, kid: `${KID}0` })).rejects.toMatchObject({ code: "FORBIDDEN" });
  const elsewhere = localKms(key, "staging");
  await expect(elsewhere.unwrap({ ...made, kid: KID })).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test("a copy of another key file is refused before it is decrypted", async () => {
  const made = await localKms(newKey(), "dev").generate(KID);
  const refusal = { code: "FORBIDDEN", message: expect.stringMatching(/another key wrapped it/) };
  await expect(kms.unwrap({ kid: KID, ...made })).rejects.toMatchObject(refusal);
});

test("a copy of another key does not unwrap, even under our key's name", async () => {
  const { keyArn } = await kms.generate(KID);
  const made = await localKms(newKey(), "dev").generate(KID);
  const refusal = { code: "FORBIDDEN", message: expect.stringMatching(/altered/) };
  await expect(kms.unwrap({ ...made, kid: KID, keyArn })).rejects.toMatchObject(refusal);
});

test("a truncated or extended copy is refused", async () => {
  const { wrapped, keyArn } = await kms.generate(KID);
  const lengths = Array.from({ length: wrapped.length }, (_, length) => wrapped.subarray(0, length));
  for (const copy of [...lengths, Buffer.concat([wrapped, Buffer.of(0)])]) {
    const refusal = { code: "FORBIDDEN", message: expect.stringMatching(/another length/) };
    await expect(kms.unwrap({ kid: KID, wrapped: copy, keyArn })).rejects.toMatchObject(refusal);
  }
});

test("a copy with any bit flipped is refused", async () => {
  const { wrapped, keyArn } = await kms.generate(KID);
  for (let bit = 0; bit < wrapped.length * 8; bit += 1) {
    const copy = Buffer.from(wrapped);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    await expect(kms.unwrap({ kid: KID, wrapped: copy, keyArn })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  }
});

let dir: TempDir;
let path: string;

beforeEach(() => {
  dir = createTempDir();
  path = join(dir.path, "kms.key");
});
afterEach(() => dir[Symbol.dispose]());

describe("a new key file", () => {
  test("holds a key of 256 bits that only its owner can read, and no other file is left", async () => {
    await createKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir.path)).toEqual(["kms.key"]);
    const key = await readKeyFile(path);
    expect([key.type, key.symmetricKeySize]).toEqual(["secret", 32]);
    expect(readFileSync(path, "utf8")).toBe(`scbe-local-kms-1 ${key.export().toString("base64url")}\n`);
  });

  test("holds another key than other files", async () => {
    await createKeyFile(path);
    await createKeyFile(`${path}2`);
    expect((await readKeyFile(path)).equals(await readKeyFile(`${path}2`))).toBe(false);
  });

  test("never overwrites a file", async () => {
    await createKeyFile(path);
    const before = readFileSync(path, "utf8");
    await expect(createKeyFile(path)).rejects.toMatchObject({ code: "EEXIST" });
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(readdirSync(dir.path)).toEqual(["kms.key"]);
  });

  test("is made once by several processes at once, and is complete for all of them", async () => {
    const makers = await Promise.allSettled(Array.from({ length: 8 }, () => createKeyFile(path)));
    expect(makers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await readKeyFile(path)).symmetricKeySize).toBe(32);
    expect(readdirSync(dir.path)).toEqual(["kms.key"]);
  });
});

describe("a key file is refused", () => {
  test.each([0o640, 0o604, 0o620, 0o610, 0o644, 0o666].map((mode) => [mode.toString(8), mode] as const))(
    "when its mode is %s",
    async (_text, mode) => {
      await createKeyFile(path);
      chmodSync(path, mode);
      await expect(readKeyFile(path)).rejects.toMatchObject({
        code: "BAD_REQUEST",
        message: expect.stringMatching(/mode 0600/),
      });
    },
  );

  test("when it is missing, or a folder", async () => {
    await expect(readKeyFile(path)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(readKeyFile(dir.path)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });

  const key = Buffer.alloc(32, 0xa5).toString("base64url");
  test.each([
    ["is empty", ""],
    ["holds a key alone", `${key}\n`],
    ["is of another version", `scbe-local-kms-2 ${key}\n`],
    ["has a shorter key", `scbe-local-kms-1 ${key.slice(1)}\n`],
    ["has a longer key", `scbe-local-kms-1 ${key}A\n`],
    ["has a padded key", `scbe-local-kms-1 ${key}=\n`],
    ["has a key with loose bits", `scbe-local-kms-1 ${key.slice(0, -1)}B\n`],
    ["has a second line", `scbe-local-kms-1 ${key}\n\n`],
    ["is too large", `scbe-local-kms-1 ${key}\n${" ".repeat(300)}`],
  ])("when it %s, without revealing its content", async (_case, text) => {
    writeFileSync(path, text, { mode: 0o600 });
    const refusal = await readKeyFile(path).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "BAD_REQUEST", message: "the local KMS's file is not a key file" });
    expect(String(refusal)).not.toContain(key.slice(0, 8));
  });
});
