import type { Answer, Client } from "@scbe/client";
import { jcs, subjectOf } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { faultyGateway, textFor, throwing } from "../kit/faulty-gateway.ts";
import { type RawCaller, rawCaller, withBadTag } from "../kit/raw-clients.ts";
import type { ServiceProcess } from "../kit/service-process.ts";
import { type System, startSystem } from "../kit/system.ts";
import { steadyTraffic } from "../kit/traffic.ts";
import { watchTrust } from "../kit/trust.ts";

/**
 * Each service that owns state of others is killed, frozen and started last. openai serves, anthropic is latched, xai is switched off,
 * and one envelope has been opened: none of this may change, whichever service is away.
 */

const stack = new AsyncDisposableStack();
let system: System;
let orchestrator: Client;
let caller: RawCaller;
let opened: Uint8Array;

const REQUEST = { model: "m", intent: "chat", timeoutMs: 20_000 };

beforeAll(async () => {
  const providers = ["openai", "anthropic", "xai"];
  system = stack.use(
    await startSystem({ providers, envelope: false, guards: 2, scorer: true, controller: true }),
  );
  orchestrator = stack.use(await system.orchestrator());
  caller = stack.use(await rawCaller(system));
  stack.use(await faultyGateway(system, "openai", throwing));
  const anthropic = stack.use(
    await faultyGateway(system, "anthropic", {
      script: (gateway, arrival) => gateway.answer(arrival, withBadTag(gateway.seal(arrival, ""))),
    }),
  );
  await ask("anthropic");
  anthropic.isBad = true;
  await expect(ask("anthropic")).rejects.toMatchObject({ name: "ScbeError" });
  await using trust = await watchTrust(system);
  await trust.until("anthropic", ({ latch }) => latch !== null);
  await new ControlApi(system).kill("integrity", { provider: "xai" });
  const requestId = crypto.randomUUID();
  opened = caller.verifier.sealer.sealRequest({
    ...REQUEST,
    provider: "openai",
    requestId,
    body: Buffer.from("once"),
  }).bytes;
  expect(await caller.send("openai", opened)).toMatchObject({ status: "sealed" });
}, 180_000);
afterAll(() => stack.disposeAsync());

function ask(
  provider: string,
  client = orchestrator,
  requestId: string = crypto.randomUUID(),
): Promise<Answer> {
  return client.request({ ...REQUEST, provider, requestId, body: Buffer.from("Hello") });
}

/** The generations in force, as their owners report them to a process without state. */
async function generations(): Promise<Readonly<Record<"ring" | "epoch" | "control", number>>> {
  const ring = await fetchState("ringGet");
  const control = await fetchState("controlGet");
  const { generation: epoch } = (await fetchState("epochGet")) as { generation: number };
  return { ring: payloadOf(ring).generation, epoch, control: payloadOf(control).generation };
}

async function fetchState(kind: "ringGet" | "epochGet" | "controlGet"): Promise<unknown> {
  const request = kind === "epochGet" ? "" : jcs({ v: 1, generation: null });
  const subject = subjectOf(kind, { user: "orchestrator" });
  const { data } = await caller.bus.request(subject, Buffer.from(request), { timeoutMs: 5000 });
  return JSON.parse(Buffer.from(data).toString());
}

function payloadOf(signed: unknown): { generation: number } {
  return JSON.parse((signed as { payload: string }).payload);
}

/** The latch, the kill and the opened envelope are unchanged, for the running client and for a new one. */
async function expectUnchanged(before: Awaited<ReturnType<typeof generations>>): Promise<void> {
  await using newClient = await system.orchestrator();
  for (const client of [orchestrator, newClient]) {
    await expect(ask("anthropic", client)).rejects.toMatchObject({ code: "DISTRUSTED" });
    await expect(ask("xai", client)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    expect(await ask("openai", client)).toMatchObject({ envelopes: 1, isSealed: true });
  }
  expect(await caller.send("openai", opened)).toMatchObject({ status: "refused" });
  const now = await generations();
  for (const [name, generation] of Object.entries(before))
    expect([name, now[name as keyof typeof now]]).toEqual([name, expect.toSatisfy((it) => it >= generation)]);
}

/** An owner of state, and what a new client lacks without it; undefined: nothing, since another process answers. */
interface Owner {
  readonly name: string;
  readonly lacks: RegExp | undefined;
  /** The processes that a test stops under traffic. */
  away(): readonly ServiceProcess[];
  /** All processes that could answer for this state. */
  all(): readonly ServiceProcess[];
}

const present = (service: ServiceProcess | undefined): ServiceProcess[] => (service ? [service] : []);
const OWNERS: readonly Owner[] = [
  { name: "keyring", lacks: /keys/, away: () => [system.keyring], all: () => [system.keyring] },
  {
    name: "controller",
    lacks: /control/,
    away: () => present(system.controller),
    all: () => present(system.controller),
  },
  // The controller gives a new client the last document that it received.
  {
    name: "scorer",
    lacks: undefined,
    away: () => system.scorers,
    all: () => [...system.scorers, ...present(system.controller)],
  },
  // Requests need a guard: one is away, and the other one answers.
  { name: "guard", lacks: undefined, away: () => system.guards.slice(0, 1), all: () => system.guards },
];

const traffic = () =>
  steadyTraffic({ concurrency: 4, everyMs: 20 }, async (requestId) => {
    const answer = await ask("openai", orchestrator, requestId);
    expect(Buffer.from(answer.body).toString()).toBe(textFor(requestId));
    return answer;
  });

async function expectNewClient({ lacks }: Owner): Promise<void> {
  const coming = system.orchestrator({ timeoutMs: 3000 });
  if (lacks !== undefined) {
    await expect(coming).rejects.toMatchObject({ code: "TIMEOUT", message: expect.stringMatching(lacks) });
    return;
  }
  await using client = await coming;
  expect(await ask("openai", client)).toMatchObject({ isSealed: true });
}

/** Longer than the terms of leases and leaders. */
const REQUESTS = 1200;

describe.each(OWNERS)("the $name", (owner) => {
  test("is killed and restarted: running clients continue, a new client waits and names what it lacks, and no ended state returns", async () => {
    const before = await generations();
    await using going = traffic();
    await going.more(100);
    await Promise.all(owner.away().map((service) => service.kill()));
    await expectNewClient(owner);
    await going.more(REQUESTS);
    const waiting = system.orchestrator();
    await Promise.all(owner.away().map((service) => service.restart()));
    await using newClient = await waiting;
    expect(await ask("openai", newClient)).toMatchObject({ isSealed: true });
    await going.more(100);
    await going.end();
    expect(going.sent.flatMap(({ error }) => (error === undefined ? [] : [error]))).toEqual([]);
    await expectUnchanged(before);
  }, 120_000);

  test("is frozen for longer than a lease: the same holds, and it sends no old state when it resumes", async () => {
    const before = await generations();
    await using going = traffic();
    await going.more(100);
    for (const { process } of owner.away()) process.pause();
    try {
      await expectNewClient(owner);
      await going.more(REQUESTS);
    } finally {
      for (const { process } of owner.away()) process.resume();
    }
    await going.more(100);
    await Promise.all(owner.away().map((service) => service.ready()));
    await going.end();
    expect(going.sent.flatMap(({ error }) => (error === undefined ? [] : [error]))).toEqual([]);
    await expectUnchanged(before);
  }, 120_000);
});

const LAST: Readonly<Record<string, RegExp>> = {
  keyring: /keys/,
  controller: /control/,
  scorer: /trust/,
  guard: /epoch/,
};

test.each(OWNERS)(
  "the $name is started last of all: until then a new client waits for it alone, and then the state is unchanged",
  async ({ name, away, all }) => {
    const before = await generations();
    const services = [system.keyring, ...system.guards, ...system.scorers, ...present(system.controller)];
    await Promise.all(services.map((service) => service.kill()));
    const last = name === "scorer" ? away() : all();
    await Promise.all(services.filter((it) => !last.includes(it)).map((service) => service.launch()));
    const waiting = system.orchestrator({ timeoutMs: 60_000 });
    const refused = await system.orchestrator({ timeoutMs: 10_000 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "TIMEOUT", message: expect.stringMatching(LAST[name] ?? /^$/) });
    // Requests need a guard. Running clients hold the state of every other owner.
    await using going = traffic();
    if (name !== "guard") {
      await eventually(async () => (await ask("openai")).isSealed, { timeoutMs: 20_000 });
      const from = going.sent.length;
      await going.more(100);
      expect(going.sent.slice(from).flatMap(({ error }) => (error === undefined ? [] : [error]))).toEqual([]);
    }
    await Promise.all(last.map((service) => service.launch()));
    await Promise.all(services.map((service) => service.ready()));
    await using newClient = await waiting;
    expect(await ask("openai", newClient)).toMatchObject({ isSealed: true });
    await eventually(async () => (await ask("openai")).isSealed, { timeoutMs: 20_000 });
    await expectUnchanged(before);
  },
  180_000,
);
