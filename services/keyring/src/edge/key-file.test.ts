import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKeyFile, readKeyFile } from "./key-file.ts";

let dir: TempDir;
let path: string;

beforeEach(() => {
  dir = createTempDir();
  path = join(dir.path, "kms.key");
});
afterEach(() => dir[Symbol.dispose]());

describe("a new key file", () => {
  test("holds a key of 256 bits that only its owner may read, and leaves nothing else behind", async () => {
    await createKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir.path)).toEqual(["kms.key"]);
    const key = await readKeyFile(path);
    expect([key.type, key.symmetricKeySize]).toEqual(["secret", 32]);
    expect(readFileSync(path, "utf8")).toBe(`scbe-local-kms-1 ${key.export().toString("base64url")}\n`);
  });

  test("holds another key than every other one", async () => {
    await createKeyFile(path);
    await createKeyFile(`${path}2`);
    expect((await readKeyFile(path)).equals(await readKeyFile(`${path}2`))).toBe(false);
  });

  test("never takes the place of what is there", async () => {
    await createKeyFile(path);
    const before = readFileSync(path, "utf8");
    await expect(createKeyFile(path)).rejects.toMatchObject({ code: "EEXIST" });
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(readdirSync(dir.path)).toEqual(["kms.key"]);
  });

  test("is made once by several that make it at once, and is whole for all of them", async () => {
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

  test("when it is not there, or a folder", async () => {
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
  ])("when it %s, without a word of what it holds", async (_case, text) => {
    writeFileSync(path, text, { mode: 0o600 });
    const refusal = await readKeyFile(path).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "BAD_REQUEST", message: "the local KMS's file is no key file" });
    expect(String(refusal)).not.toContain(key.slice(0, 8));
  });
});
