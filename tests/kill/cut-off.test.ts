import { STATUS, SUBJECTS } from "@scbe/contracts";
import { eventually, startLinkProxy } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { rawCaller } from "../kit/raw-clients.ts";
import { type System, startSystem } from "../kit/system.ts";
import { type Frame, type NatsProxy, startNatsProxy } from "./nats-proxy.ts";
import { watchedVerifier } from "./watched-verifier.ts";

/** A verifier behind a cut or hostile link obeys a kill in time, by its lease. */

const LEASE_MS = 1000;
/** From the link's return until a verifier with the policy `hold` obeys. */
const OBEYS_WITHIN_MS = 10_000;
const PATIENT = { timeoutMs: 20_000 };
const VARIABLES = {
  SCBE_CONTROL_LEASE_MS: String(LEASE_MS),
  // A guard's verdict can arrive after a lease has ended.
  SCBE_ADMIT_TIMEOUT_MS: "3000",
  SCBE_NOISE_FLOOR_MS: "3500",
  SCBE_ACCEPT_TIMEOUT_MS: "4000",
};

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;

beforeAll(async () => {
  system = stack.use(await startSystem({ providers: ["openai"], controller: true, variables: VARIABLES }));
  api = new ControlApi(system);
});
afterAll(() => stack.disposeAsync());
afterEach(() => api.release());

/** Every message that carries a control document or a lease. */
const isControl = ({ subject }: Frame): boolean =>
  subject === SUBJECTS.controlState ||
  subject.startsWith(`${SUBJECTS.controlLease}.`) ||
  subject.startsWith(`${SUBJECTS.controlGet}.`);
const withhold = (wire: NatsProxy): void => {
  wire.judge = (frame) => (isControl(frame) ? "drop" : "pass");
};

describe("when an attacker on the wire withholds the kill and forwards traffic, a gateway", () => {
  /** A gateway and a caller, each behind such a wire, and the requests that the gateway released. */
  async function setUp(policy: "refuse" | "hold") {
    await using own = new AsyncDisposableStack();
    const [wire, callersWire] = [
      own.use(await startNatsProxy(system.nats.server.port)),
      own.use(await startNatsProxy(system.nats.server.port)),
    ];
    const variables = { SCBE_CONTROL_STALE_POLICY: policy };
    const gateway = own.use(
      await watchedVerifier(system, "gateway-openai", { through: wire.url, variables }),
    );
    const through = {
      ...system,
      transport: (name: string) => ({ ...system.transport(name), servers: [callersWire.url] }),
    };
    const caller = own.use(await rawCaller(through));
    const released: string[] = [];
    await gateway.client.serve({
      provider: "openai",
      handler: ({ body, header }) => {
        released.push(header.request_id);
        return { body };
      },
    });
    const held = own.move();
    return {
      ...{ gateway, wire, callersWire, released },
      send: () =>
        caller.send(
          "openai",
          caller.verifier.sealer.sealRequest({ ...REQUEST, requestId: crypto.randomUUID() }).bytes,
        ),
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  }

  /** A kill that reaches neither side, and a request whose guard verdict arrives after the lease has ended. */
  async function killInSecret({
    gateway,
    wire,
    callersWire,
    released,
    send,
  }: Awaited<ReturnType<typeof setUp>>) {
    expect(await send()).toMatchObject({ status: STATUS.sealed });
    expect(released).toHaveLength(1);
    const generation = await gateway.generation();
    withhold(callersWire);
    wire.judge = (frame) => {
      if (isControl(frame)) return "drop";
      return frame.subject.startsWith("_INBOX.gateway.gateway-openai") ? "hold" : "pass";
    };
    const killing = api.kill("integrity");
    const answer = send();
    for (const it of [killing, answer]) it.catch(() => undefined);
    await eventually(() => wire.held > 0, PATIENT);
    await eventually(async () => (await api.mode()) === "disabled", PATIENT);
    await eventually(() => gateway.isStale(), PATIENT);
    expect(await gateway.generation()).toBe(generation);
    withhold(wire);
    wire.release();
    await killing;
    return answer;
  }

  test("with the policy `refuse` releases nothing after its lease", async () => {
    await using setup = await setUp("refuse");
    expect(await killInSecret(setup)).toMatchObject({ status: STATUS.refused });
    await expect(setup.send()).rejects.toMatchObject({ code: "NO_RESPONDERS" });
    expect(setup.released).toHaveLength(1);
  });

  test("with the policy `hold` continues, and obeys within 10 s of the link's return", async () => {
    await using setup = await setUp("hold");
    const { gateway, wire, released, send } = setup;
    expect(await killInSecret(setup)).toMatchObject({ status: STATUS.sealed });
    expect(released).toHaveLength(2);
    wire.judge = () => "pass";
    await eventually(() => gateway.isKilled(), { timeoutMs: OBEYS_WITHIN_MS });
    expect(await send()).toMatchObject({ status: STATUS.refused });
    expect(released).toHaveLength(2);
  });
});

describe("when a link is half open during a kill, a verifier", () => {
  const isDown = (it: Awaited<ReturnType<typeof watchedVerifier>>) => () =>
    it.client.readiness.report().some(({ name, ok }) => name === "nats" && !ok);

  test.each([
    ["cut off for longer than a lease", false],
    ["after it has closed the link", true],
  ])("%s obeys within 10 s of the link's return", async (_, notices) => {
    await using link = await startLinkProxy(system.nats.server.port);
    await using victim = await watchedVerifier(system, "orchestrator", { through: link.url });
    const generation = await victim.generation();
    link.stall();
    await api.kill("integrity");
    await eventually(() => victim.isStale(), PATIENT);
    if (notices) await eventually(isDown(victim), PATIENT);
    expect(await victim.generation()).toBe(generation);
    expect(await victim.isKilled()).toBe(false);
    link.resume();
    await eventually(() => victim.isKilled(), { timeoutMs: OBEYS_WITHIN_MS });
    await expect(victim.client.request({ ...REQUEST, timeoutMs: 5000 })).rejects.toMatchObject({
      code: "SWITCHED_OFF",
    });
  });
});

test("when nats-server restarts during a kill, every verifier keeps the state and the generation", async () => {
  await using victim = await watchedVerifier(system, "orchestrator");
  await using gateway = await watchedVerifier(system, "gateway-openai");
  await gateway.client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
  await victim.client.request({ ...REQUEST, timeoutMs: 5000 });
  await api.kill("integrity");
  const both = [victim, gateway];
  const generation = await victim.generation();
  const stands = async () =>
    (await Promise.all(both.map((it) => it.generation()))).every((it) => it === generation) &&
    (await Promise.all(both.map((it) => it.isKilled()))).every(Boolean);
  await system.nats.server.kill();
  expect(await stands()).toBe(true);
  await expect(victim.client.request({ ...REQUEST, timeoutMs: 2000 })).rejects.toMatchObject({
    code: "SWITCHED_OFF",
  });
  await eventually(() => victim.isStale(), PATIENT);
  expect(await stands()).toBe(true);
  await system.nats.server.restart();
  await eventually(async () => !(await victim.isStale()) && !(await gateway.isStale()), PATIENT);
  expect(await stands()).toBe(true);
  await api.release();
  await eventually(
    async () => (await victim.client.request({ ...REQUEST, timeoutMs: 5000 })).isSealed,
    PATIENT,
  );
  expect(await victim.generation()).toBeGreaterThan(generation);
});

const REQUEST = { provider: "openai", model: "m", intent: "chat", body: Buffer.from("Hello") };
