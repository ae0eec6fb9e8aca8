import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { readMetric } from "../kit/scrape.ts";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";
import { type System, startSystem } from "../kit/system.ts";
import { type Fleet, type MemberReport, startFleet } from "./fleet.ts";
import { type NatsProxy, startNatsProxy } from "./nats-proxy.ts";

/** A hundred verifiers in four processes, under traffic. A proxy before the guard can hold back its verdicts. */

const PROVIDERS = ["openai", "anthropic"];
const FLEET = { processes: 4, orchestrators: 13, gateways: 6, providers: PROVIDERS };
const SIZE = 100;
/** Admits wait longer than a test holds back their verdicts. */
const VARIABLES = {
  SCBE_ADMIT_TIMEOUT_MS: "15000",
  SCBE_NOISE_FLOOR_MS: "16000",
  SCBE_ACCEPT_TIMEOUT_MS: "17000",
};
const KILLS = 3;
/** Requests in flight when a kill is obeyed would be released within this time. */
const AFTERWARDS_MS = 1000;
const TABLE =
  "| from the POST of a kill, 100 verifiers in 4 processes | of | p50 | p99 | last |\n|---|---|---|---|---|";
const PATIENT = { timeoutMs: 20_000 };

const stack = new AsyncDisposableStack();
let system: System;
let wire: NatsProxy;
let guard: ServiceProcess;
let fleet: Fleet;
let api: ControlApi;

beforeAll(async () => {
  system = stack.use(
    await startSystem({
      providers: PROVIDERS,
      controller: true,
      envelope: false,
      guards: 0,
      variables: VARIABLES,
    }),
  );
  wire = stack.use(await startNatsProxy(system.nats.server.port));
  const env = {
    ...system.environment("replay-guard"),
    NATS_URL: wire.url,
    REDIS_URL: system.redis?.url ?? "",
  };
  guard = stack.use(await startServiceProcess("replay-guard", "services/replay-guard/src/main.ts", env));
  await guard.ready();
  fleet = stack.use(await startFleet(system, FLEET));
  api = new ControlApi(system);
}, 120_000);
afterAll(() => stack.disposeAsync());

const isServing = (before: readonly MemberReport[]) => async () => {
  const after = await fleet.report();
  return after.every(({ opened }, n) => opened > (before[n]?.opened ?? 0));
};
const allObey = async (): Promise<MemberReport[]> =>
  eventually(async () => {
    const report = await fleet.report();
    return report.every(({ obeyedAtMs }) => obeyedAtMs !== undefined) && report;
  }, PATIENT);

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

function row(what: string, times: readonly (number | undefined)[], sinceMs: number): string {
  const taken = times.flatMap((at) => (at === undefined ? [] : [at - sinceMs])).sort((a, b) => a - b);
  const at = (share: number): string => `${taken[Math.ceil(taken.length * share) - 1]?.toFixed(1)} ms`;
  return `| ${what} | ${taken.length} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`;
}

test("a hundred verifiers obey a kill under traffic, release nothing after it, and serve again when it is released", async () => {
  const rows: string[] = [];
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await eventually(isServing(await fleet.report()), PATIENT);
    const postedMs = nowMs();
    await api.kill("integrity");
    expect(await allObey()).toHaveLength(SIZE);
    await delay(AFTERWARDS_MS);
    const after = await fleet.report();
    expect(after.map(({ openedSinceObeying }) => openedSinceObeying)).toEqual(Array(SIZE).fill(0));
    const [applied, refused] = [after.map((it) => it.obeyedAtMs), after.map((it) => it.refusedAtMs)];
    rows.push(row(`kill ${kill}: document applied`, applied, postedMs));
    rows.push(row(`kill ${kill}: what was under way was refused`, refused, postedMs));
    await api.release();
    await eventually(isServing(after), PATIENT);
  }
  process.stdout.write(`${TABLE}\n${rows.join("\n")}\n`);
}, 60_000);

test("no verifier releases what the guard admitted before the kill arrived", async () => {
  await eventually(isServing(await fleet.report()), PATIENT);
  wire.judge = ({ from, subject }) =>
    from === "client" && subject.startsWith("_INBOX.gateway.gateway") ? "hold" : "pass";
  const admitted = await fresh();
  const isFull = async () => wire.held > 0 && (await fresh()) - admitted >= 20;
  await eventually(isFull, PATIENT);
  await api.kill("integrity");
  const obeying = await allObey();
  wire.judge = () => "pass";
  wire.release();
  await eventually(async () => endedIn(await fleet.report()) - endedIn(obeying) >= 20, PATIENT);
  const after = await fleet.report();
  expect(after.map(({ openedSinceObeying }) => openedSinceObeying)).toEqual(Array(SIZE).fill(0));
  await api.release();
  await eventually(isServing(after), { timeoutMs: 40_000 });
}, 90_000);

/** The number of `fresh` verdicts, delivered or not. */
async function fresh(): Promise<number> {
  const admits = await readMetric(guard, "scbe_replay_admits_total");
  return [...admits]
    .filter(([labels]) => labels.includes('"fresh"'))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** Envelopes that were withdrawn after the guard's verdict, or released in spite of the kill. */
function endedIn(report: readonly MemberReport[]): number {
  return report.reduce(
    (sum, { withdrawn, openedSinceObeying = 0 }) => sum + withdrawn + openedSinceObeying,
    0,
  );
}
