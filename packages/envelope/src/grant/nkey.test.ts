import { createAccount, createUser } from "nkeys.js";
import { expect, test } from "vitest";
import { verifyNkey } from "./nkey.ts";

const BYTES = Buffer.from("some bytes");

test("verifyNkey agrees with nkeys.js on signatures of many users", () => {
  for (let round = 0; round < 20; round += 1) {
    const user = createUser();
    const signature = user.sign(BYTES);
    expect(verifyNkey(user.getPublicKey(), BYTES, signature)).toBe(true);
    expect(verifyNkey(user.getPublicKey(), Buffer.from("other bytes"), signature)).toBe(false);
    expect(verifyNkey(createUser().getPublicKey(), BYTES, signature)).toBe(false);
  }
});

test("verifyNkey accepts only users, and no text that only resembles one", () => {
  const account = createAccount();
  expect(verifyNkey(account.getPublicKey(), BYTES, account.sign(BYTES))).toBe(false);
  const user = createUser();
  const signature = user.sign(BYTES);
  const nkey = user.getPublicKey();
  const wrongChecksum = nkey.slice(0, -1) + (nkey.endsWith("A") ? "B" : "A");
  for (const text of ["", "U", wrongChecksum, nkey.toLowerCase(), `${nkey}A`]) {
    expect(verifyNkey(text, BYTES, signature)).toBe(false);
  }
});

test("verifyNkey refuses a signature of another length", () => {
  const user = createUser();
  expect(verifyNkey(user.getPublicKey(), BYTES, user.sign(BYTES).subarray(1))).toBe(false);
});
