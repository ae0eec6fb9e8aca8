import { createSecretKey, randomBytes } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import { expect, test } from "vitest";
import { localKms } from "./edge/local-kms.ts";
import type { Kms } from "./ports.ts";
import { timedKms } from "./timed-kms.ts";

/** A KMS whose calls take two seconds each by its clock. */
function setup(kms: Kms = localKms(createSecretKey(randomBytes(32)), "dev")) {
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => (nowMs += 2000) };
  const asked: [string, string, number][] = [];
  const timed = timedKms(kms, clock, { asked: (...call) => void asked.push(call) });
  return { timed, asked };
}

test("what KMS does is counted as done, and timed", async () => {
  const { timed, asked } = setup();
  const { wrapped, keyArn, plaintext } = await timed.generate("k1");
  expect(Buffer.from(await timed.unwrap({ kid: "k1", wrapped, keyArn })).equals(plaintext)).toBe(true);
  expect(asked).toEqual([
    ["generate", "ok", 2],
    ["unwrap", "ok", 2],
  ]);
});

test("a copy that KMS does not open is counted as refused, which says that it is there", async () => {
  const { timed, asked } = setup();
  const { wrapped, keyArn } = await timed.generate("k1");
  await expect(timed.unwrap({ kid: "k2", wrapped, keyArn })).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(asked.at(-1)).toEqual(["unwrap", "refused", 2]);
});

test("a KMS that is away is counted as failed, and its error passes on", async () => {
  const away = new ScbeError("NOT_READY", "KMS is away");
  const fails = (): Promise<never> => Promise.reject(away);
  const { timed, asked } = setup({ generate: fails, unwrap: fails, [Symbol.dispose]: () => undefined });
  await expect(timed.generate("k1")).rejects.toBe(away);
  expect(asked).toEqual([["generate", "failed", 2]]);
});
