import { createSecretKey } from "node:crypto";
import { deriveGrantMaterial } from "@scbe/envelope";
import { eventually, type Fault, installMoto, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Ring } from "../src/domain/ring.ts";
import { awsKms } from "../src/edge/aws-kms.ts";
import { connectRequester, type Requester } from "./requester.ts";
import { decryptOnly, ringKey, ringOf } from "./rings.ts";
import { type Aws, awsError, startAws } from "./start-aws.ts";
import { type Keyring, openRingPlace, type RingPlace, startKeyring } from "./start-keyring.ts";

const moto = await installMoto();
const REFUSED: Fault = { kind: "refuse" };
const HANGS: Fault = { kind: "hang" };
const PASSES: Fault = { kind: "pass" };

describe.skipIf(!moto.ok)("a keyring with AWS KMS, on moto's server", () => {
  let aws: Aws;
  let keyId: string;
  let nats: SecuredNats;
  let place: RingPlace;
  let orchestrator: Requester;

  beforeAll(async () => {
    [aws, nats] = await Promise.all([startAws(), startSecuredNats({ providers: ["openai", "anthropic"] })]);
    keyId = await aws.createKey();
    place = await openRingPlace(nats);
    orchestrator = await connectRequester(nats, "orchestrator");
  });
  afterEach(() => place.clear());
  afterAll(async () => {
    await orchestrator?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
    await nats?.[Symbol.asyncDispose]();
    await aws?.[Symbol.asyncDispose]();
  });

  const keyring = (variables: Record<string, string> = {}): Promise<Keyring> => {
    const impatient = { SCBE_KMS_TIMEOUT_MS: "500", SCBE_KMS_PROBE_SECONDS: "1" };
    return startKeyring(nats, { variables: { SCBE_KMS_KEY_ID: keyId, ...impatient, ...variables } });
  };
  const storedRing = async (): Promise<Ring | undefined> => (await place.store.read())?.ring;

  /** A ring of an active and a decrypt-only key, each wrapped by its own KMS key, and the 32 bytes of each. */
  async function ringOfTwoKmsKeys() {
    const keys = [];
    const bytes = new Map<string, Buffer>();
    for (const key of [ringKey({ since: Date.now() }), decryptOnly(Date.now())]) {
      using kms = awsKms({ keyId: await aws.createKey(), env: "dev", timeoutMs: 3000 });
      const { plaintext, wrapped, keyArn } = await kms.generate(key.kid);
      bytes.set(key.kid, Buffer.from(plaintext));
      keys.push({ ...key, wrapped: Buffer.from(wrapped).toString("base64"), wrapped_by: keyArn });
    }
    return { ring: ringOf(keys, { generation: Date.now() }), bytes };
  }

  test("on an empty bucket it makes the active key, wrapped by the configured KMS key", async () => {
    await using one = await keyring();
    await one.serving();
    const [key] = (await storedRing())?.keys ?? [];
    expect(key).toMatchObject({ state: "active", wrapped_by: keyId, not_after: null });
    expect((await orchestrator.grant()).meta).toMatchObject({ kid: key?.kid, state: "active" });
    expect(await one.metric("scbe_keyring_kms_up")).toBe(1);
  });

  test("two keyrings that start at once on an empty bucket agree on one active key", async () => {
    for (let round = 0; round < 3; round += 1) {
      const both = await Promise.all([keyring(), keyring()]);
      await using first = both[0];
      await using second = both[1];
      await Promise.all([first.serving(), second.serving()]);
      const keys = (await storedRing())?.keys ?? [];
      expect(keys.map(({ state }) => state)).toEqual(["active"]);
      const grants = await Promise.all(Array.from({ length: 12 }, () => orchestrator.grant()));
      expect(new Set(grants.map(({ meta }) => meta.kid))).toEqual(new Set([keys[0]?.kid]));
      expect(new Set(grants.map(({ material }) => material.toString("hex"))).size).toBe(1);
      await place.clear();
    }
  });

  test("after a restart it unwraps the stored key, and grants the same subkeys", async () => {
    const first = await keyring();
    await first.serving();
    const before = await orchestrator.grant();
    const stored = await storedRing();
    await first[Symbol.asyncDispose]();
    await using second = await keyring();
    await second.serving();
    expect(await orchestrator.grant()).toEqual(before);
    expect(await storedRing()).toEqual(stored);
  });

  test("it unwraps copies of two KMS keys, neither of which is the configured one", async () => {
    const { ring, bytes } = await ringOfTwoKmsKeys();
    expect(new Set([...ring.keys.map((key) => key.wrapped_by), keyId]).size).toBe(3);
    await place.put(ring);
    await using one = await keyring();
    await one.serving();
    for (const [kid, ikm] of bytes) {
      const context = { env: "dev", provider: "openai", intent: "chat" };
      const { material, meta } = await orchestrator.grant({ kid });
      expect(material).toEqual(deriveGrantMaterial(createSecretKey(ikm), context));
      expect(meta.kid).toBe(kid);
    }
    expect(await storedRing()).toEqual(ring);
  });

  test("a copy that was made for another kid is not unwrapped, and the other keys are granted", async () => {
    const { ring } = await ringOfTwoKmsKeys();
    const keys = ring.keys.map((key) => (key.kid === "k0" ? { ...key, kid: "renamed" } : key));
    await place.put({ ...ring, keys });
    await using one = await keyring();
    await one.serving();
    await expect(orchestrator.grant({ kid: "renamed" })).rejects.toMatchObject({ code: "NOT_READY" });
    expect((await orchestrator.grant()).meta.kid).toBe("k1");
    expect(await one.metric("scbe_keyring_kms_up")).toBe(1);
  });

  describe("while KMS fails", () => {
    /** The state that a keyring publishes, under the name of the fault. */
    const stateOf = async (name: string, one: Keyring) => ({
      name,
      up: await one.metric("scbe_keyring_kms_up"),
      ready: one.host.readiness.ready,
      note: one.dependency("kms")?.note,
    });

    test("loaded keys are granted, readiness and metrics show the outage, and it recovers by itself", async () => {
      const faults: [string, Fault, RegExp][] = [
        ["refuses connections", REFUSED, /^KMS is away/],
        ["hangs", HANGS, /^KMS is away/],
        ["throttles", awsError("ThrottlingException"), /^KMS is away \(ThrottlingException\)/],
        ["denies access", awsError("AccessDeniedException"), /^KMS refuses the copy of the active key/],
      ];
      await using stack = new AsyncDisposableStack();
      const cases = [];
      for (const [name, fault, note] of faults) {
        const proxy = await aws.proxy();
        const one = stack.use(await keyring());
        await one.serving();
        cases.push({ name, fault, note, proxy, one });
      }
      const before = await orchestrator.grant();
      for (const { fault, proxy } of cases) proxy.fault = fault;
      for (const { name, note, one } of cases) {
        await eventually(async () => (await one.metric("scbe_keyring_kms_up")) === 0, { timeoutMs: 15_000 });
        const expected = { name, up: 0, ready: true, note: expect.stringMatching(note) };
        expect(await stateOf(name, one)).toEqual(expected);
        const result = name === "denies access" ? "refused" : "failed";
        const line = `scbe_keyring_kms_calls_total{call="unwrap",result="${result}"}`;
        expect(await one.metric(line), name).toBeGreaterThan(0);
      }
      const grants = await Promise.all(Array.from({ length: 16 }, () => orchestrator.grant()));
      expect(new Set(grants.map(({ material }) => material.toString("hex")))).toEqual(
        new Set([before.material.toString("hex")]),
      );
      for (const { proxy } of cases) proxy.fault = PASSES;
      for (const { name, one } of cases) {
        await eventually(async () => (await one.metric("scbe_keyring_kms_up")) === 1, { timeoutMs: 15_000 });
        expect(await stateOf(name, one)).toEqual({ name, up: 1, ready: true, note: undefined });
      }
    });

    test.each([
      ["refuses connections", REFUSED],
      ["hangs", HANGS],
    ])(
      "and %s, no first key is made, and a keyring that starts is not ready until KMS is back",
      async (_case, fault) => {
        const proxy = await aws.proxy();
        proxy.fault = fault;
        await using one = await keyring();
        expect(one.host.readiness.ready).toBe(false);
        expect(one.dependency("kms")).toMatchObject({
          ok: false,
          reason: expect.stringMatching(/^KMS gives no data key/),
        });
        expect(one.dependency("keys")).toMatchObject({ ok: false });
        expect(await storedRing()).toBeUndefined();
        await expect(orchestrator.grant()).rejects.toMatchObject({ code: "NO_RESPONDERS" });
        proxy.fault = PASSES;
        await one.serving();
        expect((await orchestrator.grant()).meta.state).toBe("active");
      },
    );

    test("a keyring that starts on an existing ring waits for KMS, and makes no other key meanwhile", async () => {
      const { ring } = await ringOfTwoKmsKeys();
      await place.put(ring);
      const proxy = await aws.proxy();
      proxy.fault = awsError("ThrottlingException");
      await using one = await keyring();
      expect(one.host.readiness.ready).toBe(false);
      expect(await storedRing()).toEqual(ring);
      proxy.fault = PASSES;
      await one.serving();
      expect((await orchestrator.grant()).meta.kid).toBe("k1");
      expect(await storedRing()).toEqual(ring);
    });

    test("an active key that ends is not replaced before KMS is back, and until then nothing is granted", async () => {
      const { ring } = await ringOfTwoKmsKeys();
      await place.put(ring);
      const proxy = await aws.proxy();
      await using one = await keyring();
      await one.serving();
      proxy.fault = REFUSED;
      const ended = { state: "retired", wrapped: null } as const;
      const keys = ring.keys.map((key) => (key.state === "active" ? { ...key, ...ended } : key));
      await place.put({ ...ring, generation: ring.generation + 1, keys });
      await eventually(() => !one.host.readiness.ready);
      expect(one.dependency("keys")).toMatchObject({ ok: false, reason: "the active key is not loaded" });
      expect((await storedRing())?.keys.map(({ state }) => state)).toEqual(["retired", "decrypt-only"]);
      proxy.fault = PASSES;
      await one.serving();
      expect((await storedRing())?.keys.map(({ state }) => state)).toEqual([
        "retired",
        "decrypt-only",
        "active",
      ]);
      expect((await orchestrator.grant({ kid: "k0" })).meta.state).toBe("decrypt-only");
    });
  });
});
