import { createSecretKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { connectStore, loadIdentity } from "@scbe/bus";
import { type RingState, SUBJECTS } from "@scbe/contracts";
import { deriveGrantMaterial } from "@scbe/envelope";
import { readRing } from "@scbe/envelope/grant";
import { readConfig } from "@scbe/runtime";
import { createTestHost, eventually, type SecuredNats, startNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { config } from "../src/config.ts";
import type { Ring } from "../src/domain/ring.ts";
import { localKms, readKeyFile } from "../src/edge/local-kms.ts";
import { start } from "../src/service.ts";
import { connectRequester, type Requester } from "./requester.ts";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf } from "./rings.ts";
import {
  type Keyring,
  newKeyFile,
  openRingPlace,
  type RingPlace,
  signedRing,
  startKeyring,
} from "./start-keyring.ts";

let nats: SecuredNats;
let place: RingPlace;
let orchestrator: Requester;
let keyFile: Awaited<ReturnType<typeof newKeyFile>>;

beforeAll(async () => {
  nats = await startSecuredNats({ providers: ["openai", "anthropic"] });
  place = await openRingPlace(nats);
  orchestrator = await connectRequester(nats, "orchestrator");
});
beforeEach(async () => {
  keyFile = await newKeyFile();
});
afterEach(async () => {
  keyFile[Symbol.dispose]();
  await place.clear();
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
  await nats?.[Symbol.asyncDispose]();
});

const keyring = (variables: Record<string, string> = {}): Promise<Keyring> =>
  startKeyring(nats, { variables: { SCBE_KMS_KEY_FILE: keyFile.path, ...variables } });
const storedRing = async (): Promise<Ring | undefined> => (await place.store.read())?.ring;
const activeKid = async () => (await storedRing())?.keys.find(({ state }) => state === "active")?.kid;
const identityOf = (user: string) => {
  const identity = loadIdentity(nats.transport(user));
  if (identity === undefined) throw new Error(`${user} has no identity`);
  return identity;
};

const LOST = "another keyring wrote the ring first; this key is discarded";

/** A ring whose keys are wrapped by the local KMS of the key file, and the 32 bytes of each. */
async function wrappedRing(generation = Date.now()): Promise<{ ring: Ring; bytes: Map<string, Buffer> }> {
  const kms = localKms(await readKeyFile(keyFile.path), "dev");
  const bytes = new Map<string, Buffer>();
  const keys = [];
  for (const key of [ringKey({ since: generation }), decryptOnly(generation)]) {
    const { plaintext, wrapped, keyArn } = await kms.generate(key.kid);
    bytes.set(key.kid, Buffer.from(plaintext));
    keys.push({ ...key, wrapped: Buffer.from(wrapped).toString("base64"), wrapped_by: keyArn });
  }
  return { ring: ringOf(keys, { generation }), bytes };
}

describe("on an empty bucket", () => {
  test("a keyring makes the active key, stores it wrapped, and grants it", async () => {
    await using one = await keyring();
    await one.serving();
    const { material, meta } = await orchestrator.grant();
    expect(meta).toMatchObject({ kid: await activeKid(), state: "active", not_after: null });
    const stored = JSON.stringify(await storedRing());
    expect(stored).toContain('"wrapped_by":"local:');
    for (const form of ["hex", "base64", "base64url"] as const) {
      expect(stored).not.toContain(material.subarray(0, 32).toString(form).slice(0, 20));
    }
    expect(await one.metric('scbe_keyring_keys{state="active"}')).toBe(1);
    expect(await one.metric("scbe_keyring_ring_generation")).toBe((await storedRing())?.generation);
  });

  test("two keyrings that start at once agree on one active key, and grant the same subkeys", async () => {
    let lost = 0;
    for (let round = 0; round < 6; round += 1) {
      await using stack = new AsyncDisposableStack();
      const both = await Promise.all([keyring(), keyring()]);
      for (const one of both) stack.use(one);
      await Promise.all(both.map((one) => one.serving()));
      expect((await storedRing())?.keys).toHaveLength(1);
      const grants = await Promise.all(Array.from({ length: 16 }, () => orchestrator.grant()));
      expect(new Set(grants.map(({ meta }) => meta.kid))).toEqual(new Set([await activeKid()]));
      expect(new Set(grants.map(({ material }) => material.toString("hex"))).size).toBe(1);
      const granted = await Promise.all(
        both.map((one) => one.metric('scbe_keyring_grants_total{result="granted"}')),
      );
      expect(granted.reduce((sum: number, count) => sum + (count ?? 0), 0)).toBe(16);
      lost += both.filter((one) => one.host.logs.text.includes(LOST)).length;
      await place.clear();
    }
    expect(lost).toBeGreaterThan(0);
  });
});

describe("on an existing ring", () => {
  test("a keyring that starts again grants the same key, and makes none", async () => {
    const first = await keyring();
    await first.serving();
    const before = await orchestrator.grant();
    await first[Symbol.asyncDispose]();
    await using second = await keyring();
    await second.serving();
    expect(await orchestrator.grant()).toEqual(before);
    expect((await storedRing())?.keys).toHaveLength(1);
  });

  test("every key that opens is granted, derived from its data key", async () => {
    const { ring, bytes } = await wrappedRing();
    await place.put(ring);
    await using one = await keyring();
    await one.serving();
    for (const [kid, ikm] of bytes) {
      const { material, meta } = await orchestrator.grant({ kid });
      const context = { env: "dev", provider: "openai", intent: "chat" };
      expect(material).toEqual(deriveGrantMaterial(createSecretKey(ikm), context));
      expect(meta).toMatchObject({ kid, ring_generation: ring.generation });
    }
  });

  test("a key whose copy KMS refuses is the only one that is not granted", async () => {
    const { ring } = await wrappedRing();
    const altered = Buffer.alloc(60).toString("base64");
    const keys = ring.keys.map((key) => (key.kid === "k0" ? { ...key, wrapped: altered } : key));
    await place.put({ ...ring, keys });
    await using one = await keyring();
    await one.serving();
    expect((await orchestrator.grant()).meta.kid).toBe("k1");
    await expect(orchestrator.grant({ kid: "k0" })).rejects.toMatchObject({
      code: "NOT_READY",
      message: "no grant",
    });
  });

  test("a key that has ended is retired in KV, loses its copy, and is granted no more", async () => {
    const { ring } = await wrappedRing(Date.now() - DECRYPT_ONLY_MAX_MS + 1500);
    await place.put(ring);
    await using one = await keyring();
    await one.serving();
    expect((await orchestrator.grant({ kid: "k0" })).meta.state).toBe("decrypt-only");
    const retired = await eventually(async () =>
      (await storedRing())?.keys.find(({ kid, state }) => kid === "k0" && state === "retired"),
    );
    expect(retired).toMatchObject({ wrapped: null, not_after: null });
    await expect(orchestrator.grant({ kid: "k0" })).rejects.toMatchObject({ code: "NO_KEYS" });
    expect((await orchestrator.grant()).meta.kid).toBe("k1");
  });

  test("a change by another keyring is adopted at once, and broadcast to every verifier with a signature", async () => {
    const { ring } = await wrappedRing();
    await place.put(ring);
    const heard: RingState[] = [];
    await using _listening = orchestrator.host.bus.subscribe(SUBJECTS.ring, ({ data }) => {
      const read = readRing(data, nats.credentials.keyringPublicKey, "dev");
      if (read.ok) heard.push(read.ring);
    });
    await orchestrator.host.bus.flush();
    await using one = await keyring();
    await one.serving();
    await eventually(() => heard.length > 0);
    const keys = ring.keys.map((key) =>
      key.kid === "k0" ? { ...key, state: "compromised" as const, wrapped: null } : key,
    );
    await place.put({ ...ring, generation: ring.generation + 1, keys });
    const isHeard = () => heard.some(({ generation }) => generation === ring.generation + 1);
    await eventually(isHeard, { timeoutMs: 1200 });
    expect(heard.at(-1)?.keys.map(({ kid, state }) => `${kid} ${state}`)).toEqual([
      "k1 active",
      "k0 compromised",
    ]);
    await expect(orchestrator.grant({ kid: "k0" })).rejects.toMatchObject({ code: "NO_KEYS" });
  });

  test.each([
    ["is lost", () => place.clear()],
    ["is replaced by an older one", async () => place.put((await wrappedRing(1)).ring)],
  ])("a record that %s is restored by a running keyring", async (_case, damage) => {
    await using one = await keyring();
    await one.serving();
    const before = await storedRing();
    await damage();
    await eventually(async () => (await storedRing())?.generation === before?.generation);
    expect(await storedRing()).toEqual(before);
    expect((await orchestrator.grant()).meta.kid).toBe(before?.keys[0]?.kid);
  });
});

describe("on a record that is not this environment's ring", () => {
  const signed = async (ring: unknown): Promise<Uint8Array> => signedRing(ring, identityOf("keyring"));
  const records: [string, () => Promise<Uint8Array>, string, RegExp][] = [
    [
      "of another environment",
      async () => signed({ ...(await wrappedRing()).ring, env: "staging" }),
      "FORBIDDEN",
      /another environment/,
    ],
    ["that is not JSON", async () => Buffer.from("{"), "INTERNAL", /not a ring/],
    [
      "without a signature",
      async () => Buffer.from(JSON.stringify((await wrappedRing()).ring)),
      "INTERNAL",
      /not a ring/,
    ],
    [
      "that another user has signed",
      async () => signedRing((await wrappedRing()).ring, identityOf("orchestrator")),
      "FORBIDDEN",
      /not signed by this keyring/,
    ],
    [
      "with the signature of another ring",
      async () => {
        const { signature } = JSON.parse(Buffer.from(await signed((await wrappedRing()).ring)).toString());
        return Buffer.from(
          JSON.stringify({ v: 1, ring: JSON.stringify((await wrappedRing()).ring), signature }),
        );
      },
      "FORBIDDEN",
      /not signed by this keyring/,
    ],
    [
      "with two active keys",
      async () => signed(ringOf([ringKey(), ringKey({ kid: "k2" })])),
      "INTERNAL",
      /not a ring/,
    ],
  ];

  test.each(records)(
    "%s: a keyring refuses to start, and does not change the record",
    async (_case, record, code, message) => {
      const bytes = await record();
      await place.putBytes(bytes);
      await expect(keyring()).rejects.toMatchObject({ code, message });
      await expect(place.store.read()).rejects.toMatchObject({ code });
    },
  );

  test.each(records.filter(([, , code]) => code === "FORBIDDEN"))(
    "%s: a running keyring stops granting, shows why, and recovers",
    async (_case, record, _code, message) => {
      await using one = await keyring();
      await one.serving();
      const ring = await storedRing();
      await place.putBytes(await record());
      await eventually(() => !one.host.readiness.ready);
      expect(one.dependency("keys")).toMatchObject({ ok: false, reason: message });
      await eventually(() =>
        orchestrator.grant().then(
          () => false,
          () => true,
        ),
      );
      await expect(orchestrator.grant()).rejects.toMatchObject({ code: "NO_RESPONDERS" });
      if (ring !== undefined) await place.put(ring);
      await one.serving();
      await eventually(() => orchestrator.grant());
    },
  );

  test.each(records.filter(([, , code]) => code === "INTERNAL"))(
    "%s: the record is replaced by the newest readable one before it, and that is visible",
    async (_case, record) => {
      await using one = await keyring();
      await one.serving();
      const ring = await storedRing();
      await place.putBytes(await record());
      const mended = async () =>
        (await one.host.metrics.getSingleMetric("scbe_records_mended_total")?.get())?.values[0]?.value;
      await eventually(async () => (await mended()) === 1);
      expect(await storedRing()).toEqual(ring);
      expect(one.dependency("stored ring")).toMatchObject({
        ok: true,
        note: expect.stringContaining("generation"),
      });
      await orchestrator.grant();
    },
  );
});

test("while its nkey is replaced, a keyring accepts a ring that the former nkey signed, and signs what it writes", async () => {
  const { ring } = await wrappedRing();
  const former = identityOf("orchestrator");
  await place.putBytes(signedRing(ring, former));
  await using one = await keyring({ SCBE_KEYRING_FORMER_PUBLIC_KEY: former.publicKey });
  await one.serving();
  expect((await orchestrator.grant()).meta.ring_generation).toBe(ring.generation);
});

describe("with another key file than the one that wrapped the ring", () => {
  test("a keyring starts, is not ready, shows why, and makes no second active key", async () => {
    const { ring } = await wrappedRing();
    await place.put(ring);
    using other = await newKeyFile();
    await using one = await keyring({ SCBE_KMS_KEY_FILE: other.path });
    expect(one.host.readiness.ready).toBe(false);
    expect(one.dependency("kms")).toMatchObject({
      ok: false,
      reason: "KMS refuses the copy of the active key",
    });
    expect(await one.metric("scbe_keyring_kms_up")).toBe(0);
    expect(await storedRing()).toEqual(ring);
    await expect(orchestrator.grant()).rejects.toMatchObject({ code: "NO_RESPONDERS" });
  });
});

test("a keyring without an nkey does not start: it could not sign", async () => {
  await using open = await startNats();
  await using host = await createTestHost({ transport: { servers: [open.url] }, name: "keyring" });
  await using store = await connectStore({ servers: [open.url], account: "keyring", log: host.log });
  const reading = readConfig(config, {
    SCBE_KMS_KEY_FILE: keyFile.path,
    SCBE_USERS_FILE: nats.credentials.usersFile,
  });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  await expect(start(reading.config, { ...host, store })).rejects.toMatchObject({
    code: "BAD_REQUEST",
    message: expect.stringMatching(/NATS_NKEY_SEED_FILE/),
  });
});

test("a keyring with a malformed key file does not start, and makes no ring", async () => {
  writeFileSync(keyFile.path, "");
  await expect(keyring()).rejects.toMatchObject({ code: "BAD_REQUEST" });
  expect(await storedRing()).toBeUndefined();
});
