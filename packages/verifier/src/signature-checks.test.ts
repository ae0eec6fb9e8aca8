import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { loadIdentity } from "@scbe/bus";
import { SUBJECTS, writeMessage } from "@scbe/contracts";
import { encodeControl, signControl } from "@scbe/envelope/control";
import { signRing } from "@scbe/envelope/grant";
import { createReadiness, systemClock } from "@scbe/runtime";
import {
  collectLogs,
  createIdentity,
  createTestHost,
  type Deployment,
  eventually,
  KILL,
  killing,
  type SecuredNats,
  startDeployment,
  startSecuredNats,
  startTestController,
} from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ControlFollower } from "./control/control-follower.ts";
import { HeldKeys } from "./held-keys.ts";
import { KeyKeeper } from "./key-keeper.ts";

/** Counts the Ed25519 signatures that this process verified. */
let checks = 0;
const { verify } = crypto;
beforeEach(() => {
  checks = 0;
  crypto.verify = ((...args: Parameters<typeof verify>) => {
    checks += 1;
    return verify(...args);
  }) as typeof verify;
  syncBuiltinESMExports();
});
afterEach(() => {
  crypto.verify = verify;
  syncBuiltinESMExports();
});

const NOTHING = new Uint8Array(0);
const MANY = 1000;
/** The number of forgeries; each is sent many times, since a reader remembers none of them. */
const FORGED = 20;

describe("a verifier that receives control documents", () => {
  let nats: SecuredNats;
  beforeAll(async () => {
    nats = await startSecuredNats({ provisioned: false });
  });
  afterAll(() => nats?.[Symbol.asyncDispose]());

  async function following() {
    await using stack = new AsyncDisposableStack();
    const controller = stack.use(
      await startTestController({ transport: nats.transport("rollback-controller") }),
    );
    const name = "orchestrator";
    const host = stack.use(await createTestHost({ transport: nats.transport(name), name }));
    const follower = stack.use(
      new ControlFollower({
        ...host,
        ...{ name, env: "dev", providers: ["openai"], publicKey: controller.identity.publicKey },
        ...{ leaseMs: 1000, stalePolicy: "refuse", fallbackAllowed: false },
      }),
    );
    await eventually(() => follower.document !== undefined && !follower.isStale);
    const arrived = async (result: string): Promise<number> => {
      const rows = (await host.metrics.getSingleMetric("scbe_control_documents_total")?.get())?.values ?? [];
      return rows.find(({ labels }) => labels.result === result)?.value ?? 0;
    };
    const held = stack.move();
    return { controller, host, follower, arrived, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  test("verifies no genuine repeats, of this document or of older ones", async () => {
    await using it = await following();
    const { controller } = it;
    const first = encodeControl(controller.document);
    const next = { ...controller.document.state, generation: controller.document.state.generation + 1 };
    const second = encodeControl(signControl(next, controller.identity));
    await controller.broadcast(second);
    await eventually(() => it.follower.document?.state.generation === next.generation);
    const before = checks;
    const old = await it.arrived("old");
    const leases = await granted(it.host.metrics);
    for (let n = 0; n < MANY; n += 1) {
      await controller.broadcast(second);
      await controller.broadcast(first);
    }
    await eventually(async () => (await it.arrived("old")) - old >= 2 * MANY);
    // Only lease answers are verified.
    expect(checks - before).toBeLessThanOrEqual((await granted(it.host.metrics)) - leases + 2);
  }, 60_000);

  test("verifies a limited rate of forgeries, drops the others, and still obeys a kill with its next lease", async () => {
    await using it = await following();
    const { controller } = it;
    const stranger = createIdentity();
    const { state } = controller.document;
    let generation = state.generation + 1000;
    const forge = (): Uint8Array => {
      generation += 1;
      return encodeControl(signControl({ ...state, generation }, stranger));
    };
    const forged = Array.from({ length: FORGED }, forge);
    const started = performance.now();
    const before = checks;
    for (let n = 0; n < MANY; n += 1) await controller.broadcast(forged[n % FORGED] ?? NOTHING);
    await eventually(async () => (await it.arrived("refused")) + (await it.arrived("dropped")) >= MANY);
    const seconds = (performance.now() - started) / 1000;
    expect(await it.arrived("dropped")).toBeGreaterThan(0);
    // Broadcasts: 40 at once and 40 a second. The others are lease answers.
    expect(checks - before).toBeLessThanOrEqual(40 + 40 * seconds + 8 * seconds + 4);
    expect(it.follower.document?.state.generation).toBe(state.generation);

    const flood = setInterval(() => {
      for (const bytes of forged) controller.bus.publish(SUBJECTS.controlState, bytes);
    }, 20);
    try {
      controller.document = signControl(
        { ...state, ...killing(KILL), generation: state.generation + 1 },
        controller.identity,
      );
      await eventually(() => it.follower.document?.state.kill_switch.all !== null, { timeoutMs: 5000 });
    } finally {
      clearInterval(flood);
    }
  }, 60_000);
});

async function granted(metrics: Registry): Promise<number> {
  const rows = (await metrics.getSingleMetric("scbe_control_leases_total")?.get())?.values ?? [];
  return rows.reduce((sum, { value }) => sum + value, 0);
}

describe("a verifier that receives rings", () => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await startDeployment();
  });
  afterAll(() => deployment?.[Symbol.asyncDispose]());

  test("verifies no genuine repeats, and a limited rate of forgeries", async () => {
    const { bus, keyring, keyringPublicKey } = deployment;
    const identity = loadIdentity(deployment.transport("orchestrator"));
    if (identity === undefined) throw new Error("no identity");
    const [metrics, readiness] = [new Registry(), createReadiness()];
    await using _keeper = new KeyKeeper({
      keys: new HeldKeys({ providers: ["openai"], intents: ["chat"], now: systemClock.now }),
      ...{ clock: systemClock, log: collectLogs().log, readiness, metrics },
      source: { bus, identity, env: "dev", keyringPublicKey },
    });
    const heard = async (result: string): Promise<number> => {
      const rows = (await metrics.getSingleMetric("scbe_ring_broadcasts_total")?.get())?.values ?? [];
      return rows.find(({ labels }) => labels.result === result)?.value ?? 0;
    };
    await eventually(async () => {
      await keyring.broadcast();
      return readiness.ready;
    });
    const before = checks;
    const old = await heard("old");
    for (let n = 0; n < MANY; n += 1) await keyring.broadcast();
    await eventually(async () => (await heard("old")) - old >= MANY);
    expect(checks - before).toBe(0);

    const started = performance.now();
    const stranger = createIdentity();
    const forged = Array.from({ length: FORGED }, (_, n) =>
      signRing({ ...keyring.ring, generation: keyring.ring.generation + 1 + n }, stranger),
    ).map((signed) => writeMessage(signed));
    for (let n = 0; n < MANY; n += 1) bus.publish(SUBJECTS.ring, forged[n % FORGED] ?? NOTHING);
    await eventually(async () => (await heard("refused")) + (await heard("dropped")) >= MANY);
    const seconds = (performance.now() - started) / 1000;
    expect(checks - before).toBeLessThanOrEqual(41 + 40 * seconds);
    expect(checks - before).toBe(await heard("refused"));
  }, 60_000);
});
