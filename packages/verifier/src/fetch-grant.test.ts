import { loadIdentity } from "@scbe/bus";
import type { GrantAnswer } from "@scbe/contracts";
import { Opener, Sealer } from "@scbe/envelope";
import { systemClock } from "@scbe/runtime";
import { type Deployment, startDeployment } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { fetchGrant, type GrantSource } from "./fetch-grant.ts";

let deployment: Deployment;
let source: GrantSource;

beforeAll(async () => {
  deployment = await startDeployment();
  const identity = loadIdentity(deployment.transport("orchestrator"));
  if (identity === undefined) throw new Error("no identity");
  const { bus, keyringPublicKey } = deployment;
  source = { bus, identity, env: "dev", keyringPublicKey };
});
afterAll(() => deployment[Symbol.asyncDispose]());
beforeEach(() => {
  deployment.keyring.tamper = undefined;
  deployment.keyring.set({
    k1: { state: "active" },
    k0: { state: "decrypt-only", notAfter: 1_900_000_000_000 },
  });
});

const active = { kid: "", provider: "openai", intent: "chat" };

test("a grant brings the keyring's subkeys: one side opens envelopes of the other", async () => {
  const { subkeys, meta } = await fetchGrant(active, source);
  expect(meta).toEqual({
    kid: "k1",
    state: "active",
    not_after: null,
    ring_generation: deployment.keyring.ring.generation,
  });
  const theirs = deployment.keyring.subkeys("k1");
  const limits = { windowSeconds: 300, skewSeconds: 0, counterLimit: 10, noiseFloorMs: 0, guardWaitMs: 600 };
  const epochs = { current: () => Buffer.alloc(16) };
  const sealer = new Sealer({ keys: { active: () => subkeys }, epochs, clock: systemClock }, limits);
  const serves = { providers: ["openai"], intents: ["chat"] };
  const admission = { admit: async () => "fresh" as const };
  const opener = new Opener(
    { keys: { find: () => theirs }, admission, clock: systemClock, env: "dev", serves },
    limits,
  );
  const requestId = crypto.randomUUID();
  const body = Buffer.from("x");
  const { bytes } = sealer.sealRequest({ provider: "openai", model: "m", intent: "chat", requestId, body });
  const arrivedAt = systemClock.monotonic() + 1000;
  expect(await opener.openRequest(bytes, { provider: "openai", arrivedAt })).toMatchObject({ ok: true });
});

test("a grant for a kid brings that kid, with its state and end", async () => {
  const { subkeys, meta } = await fetchGrant({ ...active, kid: "k0" }, source);
  expect(subkeys.kid).toBe("k0");
  expect(meta).toMatchObject({ kid: "k0", state: "decrypt-only", not_after: 1_900_000_000_000 });
});

test("a refusal of the keyring is thrown with its code", async () => {
  await expect(fetchGrant({ ...active, kid: "k9" }, source)).rejects.toMatchObject({ code: "NO_KEYS" });
});

test.each<[string, (answer: GrantAnswer) => unknown]>([
  ["is not JSON", () => Buffer.from("no")],
  ["is empty", () => new Uint8Array(0)],
  ["is too large", () => Buffer.alloc(20_000, 0x20)],
  ["has one more member", (answer) => ({ ...answer, more: 1 })],
  ["has another signature", (answer) => ({ ...answer, signature: flipped(answer.signature) })],
  ["has another ciphertext", (answer) => ({ ...answer, ct: flipped(answer.ct) })],
  ["has another encapsulated key", (answer) => ({ ...answer, enc: flipped(answer.enc) })],
  ["claims another generation", (answer) => ({ ...answer, meta: { ...answer.meta, ring_generation: 99 } })],
  ["claims another kid", (answer) => ({ ...answer, meta: { ...answer.meta, kid: "k2" } })],
  [
    "claims a longer life",
    (answer) => ({
      ...answer,
      meta: { ...answer.meta, not_after: null, state: "active" as const, kid: "k0" },
    }),
  ],
])("an answer that %s is FORBIDDEN", async (_case, change) => {
  deployment.keyring.tamper = (answer) => change(answer as GrantAnswer);
  await expect(fetchGrant(active, source)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test("the answer to an earlier request for the same key is FORBIDDEN", async () => {
  const answers: unknown[] = [];
  deployment.keyring.tamper = (answer) => {
    answers.push(answer);
    return answers[0];
  };
  await fetchGrant(active, source);
  await expect(fetchGrant(active, source)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test("an answer signed by another party is FORBIDDEN", async () => {
  const stranger = loadIdentity(deployment.transport("replay-guard"))?.publicKey ?? "";
  await expect(fetchGrant(active, { ...source, keyringPublicKey: stranger })).rejects.toMatchObject({
    code: "FORBIDDEN",
  });
});

test("a request that the keyring swallowed is sent again unchanged", async () => {
  let dropped = 0;
  deployment.keyring.tamper = (answer) => {
    dropped += 1;
    return dropped === 1 ? null : answer;
  };
  const before = deployment.keyring.asked.length;
  await fetchGrant(active, source);
  const [first, second] = deployment.keyring.asked.slice(before);
  expect(second).toEqual(first);
});

/** Changes the first character: the last one of base64url can carry no bits. */
function flipped(text: string): string {
  return (text.startsWith("A") ? "B" : "A") + text.slice(1);
}
