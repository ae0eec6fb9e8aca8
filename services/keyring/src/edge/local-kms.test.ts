import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { localKms } from "./local-kms.ts";

const KID = "k20260102-0123456789abcdef";

function newKey(): KeyObject {
  return createSecretKey(randomBytes(32));
}

const key = newKey();
const kms = localKms(key, "dev");

test("a data key is 32 random bytes, and unwraps as what it was made for", async () => {
  const [first, second] = await Promise.all([kms.generate(KID), kms.generate(KID)]);
  expect(first.plaintext).toHaveLength(32);
  expect(Buffer.from(first.plaintext).equals(second.plaintext)).toBe(false);
  expect(await kms.unwrap({ kid: KID, ...first })).toEqual(first.plaintext);
});

test("a copy outlives the process: the same key file unwraps it again", async () => {
  const made = await kms.generate(KID);
  const later = localKms(createSecretKey(key.export()), "dev");
  expect(await later.unwrap({ kid: KID, ...made })).toEqual(made.plaintext);
});

test("no two copies share a nonce, and none shows its data key", async () => {
  const copies = await Promise.all(Array.from({ length: 200 }, () => kms.generate(KID)));
  const nonces = copies.map(({ wrapped }) => Buffer.from(wrapped.subarray(0, 12)).toString("hex"));
  expect(new Set(nonces).size).toBe(copies.length);
  for (const { wrapped, plaintext } of copies) {
    expect(wrapped).toHaveLength(60);
    expect(Buffer.from(wrapped).includes(Buffer.from(plaintext.subarray(0, 8)))).toBe(false);
  }
});

test("the name of what wrapped it tells one key from another, and nothing of the key", async () => {
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

test("a copy that another key file wrapped is told apart before anything is tried", async () => {
  const made = await localKms(newKey(), "dev").generate(KID);
  const refusal = { code: "FORBIDDEN", message: expect.stringMatching(/another key wrapped it/) };
  await expect(kms.unwrap({ kid: KID, ...made })).rejects.toMatchObject(refusal);
});

test("a copy that another key wrapped does not unwrap, even under our key's name", async () => {
  const { keyArn } = await kms.generate(KID);
  const made = await localKms(newKey(), "dev").generate(KID);
  const refusal = { code: "FORBIDDEN", message: expect.stringMatching(/altered/) };
  await expect(kms.unwrap({ ...made, kid: KID, keyArn })).rejects.toMatchObject(refusal);
});

test("a copy that was cut or extended is refused", async () => {
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
