import { type RingState, type SignedRing, writeMessage } from "@scbe/contracts";
import { createUser } from "nkeys.js";
import { expect, test } from "vitest";
import { lp } from "../wire.ts";
import { type Identity, readRing, signRing } from "./index.ts";

function identity(): Identity {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), sign: (bytes) => pair.sign(bytes) };
}

const keyring = identity();
const RING: RingState = {
  env: "dev",
  generation: 12,
  keys: [
    { kid: "k2", state: "active", not_after: null },
    { kid: "k1", state: "decrypt-only", not_after: 1_700_000_000_000 },
  ],
};

function signText(payload: string): SignedRing {
  const signature = keyring.sign(lp("scbe/v1/ring", payload));
  return { v: 1, payload, signature: Buffer.from(signature).toString("base64url") };
}

test("a signed ring is read as signed", () => {
  const wire = writeMessage(signRing(RING, keyring));
  expect(readRing(wire, keyring.publicKey, "dev")).toEqual({ ok: true, ring: RING });
});

test("a ring's signature is over the documented bytes", () => {
  const signed = signRing(RING, keyring);
  expect(signText(signed.payload)).toEqual(signed);
});

test("a ring not signed by the keyring is refused", () => {
  const signed = signRing(RING, identity());
  expect(readRing(writeMessage(signed), keyring.publicKey, "dev")).toEqual({
    ok: false,
    reason: "signature",
  });
});

test("a ring with a changed payload is refused", () => {
  const signed = signRing(RING, keyring);
  const payload = signed.payload.replace("12", "13");
  expect(readRing(writeMessage({ ...signed, payload }), keyring.publicKey, "dev")).toEqual({
    ok: false,
    reason: "signature",
  });
});

test("the ring of another environment is refused", () => {
  expect(readRing(writeMessage(signRing(RING, keyring)), keyring.publicKey, "prod")).toEqual({
    ok: false,
    reason: "env",
  });
});

test.each([
  ["not JSON", "{"],
  ["not canonical", ' {"env":"dev","generation":1,"keys":[]}'],
  ["with a member twice", '{"env":"prod","env":"dev","generation":1,"keys":[]}'],
  ["with a member too many", '{"env":"dev","extra":1,"generation":1,"keys":[]}'],
  ["without its generation", '{"env":"dev","keys":[]}'],
])("a payload that is %s is malformed though signed", (_, payload) => {
  expect(readRing(writeMessage(signText(payload)), keyring.publicKey, "dev")).toEqual({
    ok: false,
    reason: "malformed",
  });
});

test("a signature of another length is malformed", () => {
  const signed = { ...signRing(RING, keyring), signature: "AAAA" };
  expect(readRing(writeMessage(signed), keyring.publicKey, "dev")).toEqual({
    ok: false,
    reason: "malformed",
  });
});

test.each<[string, Partial<RingState>]>([
  ["a kid twice", { keys: [...RING.keys, { kid: "k1", state: "retired", not_after: null }] }],
  ["two active keys", { keys: [...RING.keys, { kid: "k3", state: "active", not_after: null }] }],
  ["a generation of 0", { generation: 0 }],
])("a ring with %s is never signed", (_, change) => {
  expect(() => signRing({ ...RING, ...change }, keyring)).toThrow();
});
