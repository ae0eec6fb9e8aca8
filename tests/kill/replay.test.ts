import { jcs, SUBJECTS, writeMessage } from "@scbe/contracts";
import { encodeControl, sign, signControl, verifiedControl } from "@scbe/envelope/control";
import { systemClock } from "@scbe/runtime";
import { createIdentity, eventually } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { type System, startSystem } from "../kit/system.ts";
import { startTap, type Tap } from "../kit/tap.ts";
import { delivery, type Frame, type NatsProxy, startNatsProxy } from "./nats-proxy.ts";
import { type WatchedVerifier, watchedVerifier } from "./watched-verifier.ts";

/** An attacker with every right on the bus and on the victim's wire, who has recorded everything that controllers signed. */

const LEASE_MS = 1000;
const PATIENT = { timeoutMs: 20_000 };
const REQUEST = {
  provider: "openai",
  model: "m",
  intent: "chat",
  body: Buffer.from("Hello"),
  timeoutMs: 5000,
};

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let tap: Tap;
let wire: NatsProxy;
let victim: WatchedVerifier;
/** The documents and lease replies that the victim received. */
let documents: Frame[] = [];
let leases: Frame[] = [];

beforeAll(async () => {
  system = stack.use(
    await startSystem({
      providers: ["openai"],
      controller: true,
      variables: { SCBE_CONTROL_LEASE_MS: String(LEASE_MS) },
      onNats: async (nats) => {
        tap = stack.use(await startTap(nats));
      },
    }),
  );
  api = new ControlApi(system);
  const gateway = stack.use(await watchedVerifier(system, "gateway-openai"));
  await gateway.client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
});
afterAll(() => stack.disposeAsync());

beforeEach(async () => {
  [documents, leases] = [[], []];
  wire = await startNatsProxy(system.nats.server.port);
  wire.judge = record;
  victim = await watchedVerifier(system, "orchestrator", { through: wire.url });
});
afterEach(async () => {
  await victim[Symbol.asyncDispose]();
  await wire[Symbol.asyncDispose]();
  await api.release();
});

function record(frame: Frame): "pass" {
  if (isDocument(frame)) documents.push(frame);
  if (isLease(frame)) leases.push(frame);
  return "pass";
}
const isDocument = ({ from, subject }: Frame): boolean =>
  from === "server" && subject === SUBJECTS.controlState;
const isLease = ({ from, subject, payload }: Frame): boolean =>
  from === "server" &&
  subject.startsWith("_INBOX.orchestrator.orchestrator") &&
  payload.includes('\\"nonce\\"');

/** Replays all recordings, on the victim's wire and as broadcasts. Resolves when the victim has them. */
async function playBack(): Promise<void> {
  const [states, answers] = [[...documents], [...leases]];
  const old = await victim.documents("old");
  for (const { bytes } of [...states, ...answers]) wire.inject("client", bytes);
  for (const { payload } of states) await tap.publish(SUBJECTS.controlState, payload);
  for (const { subject, payload } of answers) await tap.publish(subject, payload);
  await eventually(async () => (await victim.documents("old")) - old >= 2 * states.length, PATIENT);
}

const inForce = async () => ({ generation: await victim.generation(), isKilled: await victim.isKilled() });

describe("replayed recordings change nothing", () => {
  test("after a release, neither the kill nor older documents apply", async () => {
    await api.kill("integrity");
    await api.release();
    await eventually(async () => !(await victim.isKilled()), PATIENT);
    const before = await inForce();
    expect(documents.length).toBeGreaterThanOrEqual(2);
    expect(leases.length).toBeGreaterThanOrEqual(3);
    await playBack();
    expect(await inForce()).toEqual(before);
    expect(await victim.client.request(REQUEST)).toMatchObject({ isSealed: true });
  });

  test("after a kill, no document and no lease from before it applies", async () => {
    await api.kill("integrity");
    await api.release();
    await api.kill("integrity");
    const before = await inForce();
    expect(before.isKilled).toBe(true);
    await playBack();
    expect(await inForce()).toEqual(before);
    await expect(victim.client.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
  });

  test("as replies to the victim's next lease requests: its lease ends, and stays ended", async () => {
    await eventually(() => leases.length >= 3, PATIENT);
    const before = await inForce();
    const refused = await victim.leases("refused");
    const recorded = [...leases];
    let turn = 0;
    wire.judge = (frame) => {
      if (frame.from !== "client" || !frame.subject?.startsWith(`${SUBJECTS.controlLease}.`)) return "pass";
      const lease = recorded[turn++ % recorded.length];
      if (lease !== undefined) wire.inject("client", delivery(frame.reply, lease.sid, lease.payload));
      return "drop";
    };
    await eventually(() => victim.isStale(), PATIENT);
    await eventually(async () => (await victim.leases("refused")) - refused >= 2 * recorded.length, PATIENT);
    expect(await victim.isStale()).toBe(true);
    expect(await inForce()).toEqual(before);
  });

  test("a reply that is held back for longer than a lease grants none", async () => {
    wire.judge = (frame) => (isLease(frame) ? "hold" : "pass");
    await eventually(() => victim.isStale(), PATIENT);
    const granted = await victim.leases("granted");
    const before = await inForce();
    await eventually(() => wire.held >= 3, PATIENT);
    // The last reply can still be young enough to count.
    wire.judge = (frame) => (frame.subject?.startsWith(`${SUBJECTS.controlLease}.`) ? "drop" : "pass");
    const unanswered = await victim.leases("unanswered");
    await eventually(async () => (await victim.leases("unanswered")) > unanswered + 2, PATIENT);
    wire.release();
    await victim.client.request(REQUEST);
    expect(await victim.leases("granted")).toBe(granted);
    expect(await victim.isStale()).toBe(true);
    expect(await inForce()).toEqual(before);
  });
});

test.each([600_000, -600_000])(
  "a verifier whose clock is %i ms off holds its lease, and obeys a kill",
  async (offMs) => {
    const clock = { ...systemClock, now: () => systemClock.now() + offMs };
    await using off = await watchedVerifier(system, "orchestrator", { clock });
    const granted = await off.leases("granted");
    await eventually(async () => (await off.leases("granted")) >= granted + 4, PATIENT);
    expect(await off.isStale()).toBe(false);
    await api.kill("integrity");
    expect(await off.isKilled()).toBe(true);
    await expect(off.client.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    await api.release();
    expect(await off.isKilled()).toBe(false);
    await eventually(async () => (await off.leases("granted")) >= granted + 8, PATIENT);
    expect(await off.isStale()).toBe(false);
  },
);

test("forged messages on the wire are counted, and change nothing", async () => {
  await api.kill("integrity");
  const before = await inForce();
  const genuine = documents.at(-1)?.payload ?? Buffer.alloc(0);
  const signed = JSON.parse(genuine.toString("utf8"));
  const expected = { env: "dev", publicKey: system.nats.credentials.controlPublicKey } as const;
  const document = verifiedControl(signed, expected);
  if (document === undefined) throw new Error("the controller's document does not verify");
  const { state } = document;
  const generation = state.generation + 1;
  const open = { ...state, generation, kill_switch: { all: null, providers: {} } };
  const [stranger, lease] = [createIdentity(), JSON.parse(leases.at(-1)?.payload.toString("utf8") ?? "")];
  const forged = [
    encodeControl(signControl(open, stranger)),
    writeMessage({ ...signed, payload: jcs(open) }),
    Buffer.from(genuine.toString("utf8").replace("integrity", "availability")),
    writeMessage({ v: 1, ...sign("lease", "dev", open, stranger) }),
    writeMessage({ v: 1, payload: lease.payload, signature: lease.signature }),
    writeMessage({ v: 1, payload: signed.payload, signature: lease.signature }),
    Buffer.from("{}"),
    Buffer.alloc(1_000_000, "a"),
    Buffer.alloc(0),
  ];
  // A message that claims no newer generation counts as old; its signature is not checked.
  const counted = async () => (await victim.documents("refused")) + (await victim.documents("old"));
  const [refused, all] = [await victim.documents("refused"), await counted()];
  for (const bytes of forged) await tap.publish(SUBJECTS.controlState, bytes);
  await tap.publish(SUBJECTS.controlState, genuine);
  await eventually(async () => (await counted()) - all > forged.length, PATIENT);
  expect((await victim.documents("refused")) - refused).toBeGreaterThanOrEqual(forged.length - 3);
  expect(await inForce()).toEqual(before);
  await expect(victim.client.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
});
