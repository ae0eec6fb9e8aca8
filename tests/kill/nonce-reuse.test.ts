import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { STATUS } from "@scbe/contracts";
import type { SealedRequest, Sealer } from "@scbe/envelope";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { rawCaller } from "../kit/raw-clients.ts";
import { type System, startSystem, TOKENS } from "../kit/system.ts";
import { type Fleet, type MemberReport, startFleet } from "./fleet.ts";

/** The time from the second use of a nonce until the last verifier obeys: replay guard, security stream, controller, kill. */

const TRIES = 3;
const MS_MAX = 100;
const PATIENT = { timeoutMs: 20_000 };

const stack = new AsyncDisposableStack();
let system: System;
let fleet: Fleet;
let api: ControlApi;

beforeAll(async () => {
  const providers = ["openai", "anthropic"];
  const variables = { SCBE_CONTROL_LEASE_MS: "1500" };
  system = stack.use(await startSystem({ providers, controller: true, variables }));
  fleet = stack.use(await startFleet(system, { processes: 2, orchestrators: 3, gateways: 2, providers }));
  api = new ControlApi(system);
  // The first kill of a process takes several times as long.
  await api.kill("integrity");
  await api.release();
}, 90_000);
afterAll(() => stack.disposeAsync());

test("a nonce that is used twice switches every verifier off within 100 ms", async () => {
  const taken: number[] = [];
  while (taken.length < TRIES && !taken.some((ms) => ms < MS_MAX)) {
    if (taken.length > 0) await api.release();
    taken.push(await msUntilAllObey());
  }
  const all = taken.map((ms) => `${ms.toFixed(1)} ms`).join(", ");
  process.stdout.write(
    `from the second use of a nonce to the last of 14 verifiers in two processes: ${all}\n`,
  );
  expect(await api.mode()).toBe("disabled");
  expect(await killSwitch()).toMatchObject({
    enabled: true,
    cause: "integrity",
    reason: expect.stringMatching(/^nonce reuse at openai: session \S+, counter 1$/),
  });
  const killed = await fleet.report();
  expect(killed.map(({ openedSinceObeying }) => openedSinceObeying)).toEqual(killed.map(() => 0));
  expect(Math.min(...taken)).toBeLessThan(MS_MAX);
}, 60_000);

/** Uses a nonce twice, and waits until the whole fleet obeys. */
async function msUntilAllObey(): Promise<number> {
  await eventually(isServing(await fleet.report()), PATIENT);
  await using first = await rawCaller(system);
  await using second = await rawCaller(system);
  const [honest, reused] = sealUnderOneNonce("openai", [first.verifier.sealer, second.verifier.sealer]);
  expect(reused.header).toMatchObject({
    session_id: honest.header.session_id,
    nonce: honest.header.nonce,
  });
  expect(await first.send("openai", honest.bytes)).toMatchObject({ status: STATUS.sealed });
  const usedAtMs = Number(process.hrtime.bigint()) / 1e6;
  expect(await second.send("openai", reused.bytes)).toMatchObject({ status: STATUS.refused });
  const obeyed = await eventually(async () => obeyedAt(await fleet.report()), PATIENT);
  return Math.max(...obeyed) - usedAtMs;
}

const isServing = (before: readonly MemberReport[]) => async () => {
  const after = await fleet.report();
  return after.every(({ opened }, n) => opened > (before[n]?.opened ?? 0));
};

/** Undefined until all members obey. */
function obeyedAt(report: readonly MemberReport[]): number[] | undefined {
  const times = report.flatMap(({ obeyedAtMs }) => obeyedAtMs ?? []);
  return times.length === report.length ? times : undefined;
}

async function killSwitch(): Promise<unknown> {
  const headers = { authorization: `Bearer ${TOKENS.ADMIN_TOKEN}` };
  const answer = await fetch(`${system.controller?.apiUrl}/feature-flags`, { headers });
  return ((await answer.json()) as { scbe_kill_switch: unknown }).scbe_kill_switch;
}

/** The random bytes of a session id, after its minute. */
const DRAWN_BYTES = 28;
const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello") };

/**
 * Seals one request in each of two sealers whose random generators return the same bytes, as on cloned machines: two envelopes
 * under one key and one nonce. The sealer does not allow this, so the generator is replaced while the two seal.
 */
function sealUnderOneNonce(
  provider: string,
  sealers: readonly [Sealer, Sealer],
): readonly [SealedRequest, SealedRequest] {
  const original = crypto.randomFillSync;
  const repeated = crypto.randomBytes(DRAWN_BYTES);
  const fill = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length !== DRAWN_BYTES) return original(bytes);
    bytes.set(repeated);
    return bytes;
  };
  replaceFill(fill as typeof original);
  try {
    const seal = (sealer: Sealer): SealedRequest =>
      sealer.sealRequest({ ...REQUEST, provider, requestId: crypto.randomUUID() });
    return [seal(sealers[0]), seal(sealers[1])];
  } finally {
    replaceFill(original);
  }
}

function replaceFill(fill: typeof crypto.randomFillSync): void {
  crypto.randomFillSync = fill;
  syncBuiltinESMExports();
}
