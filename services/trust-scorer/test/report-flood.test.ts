import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Bus, connectBus } from "@scbe/bus";
import { type ReportedEvent, subjectOf, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  appliedIn,
  LONG,
  launchScorer,
  overrideSubject,
  PROVIDERS,
  type Stage,
  startScorer,
  startStage,
} from "./scorer-stage.ts";
import { eventOf } from "./trust-story.ts";

const OPENAI: string = "openai";
/** One teller floods the scorers; reports of others and overrides still take effect. */
const log = createLogger({ name: "test", level: "silent" });
const FLOOD_MS = 6000;
/** The events of one user that the scorer stores at once, and in each second. */
const EVENTS_AT_ONCE = 4096;
const EVENTS_PER_SECOND = 1000;

let stage: Stage;
let flooding: Bus;
beforeEach(async () => {
  stage = await startStage({ users: [{ name: "flooding", role: "orchestrator", providers: PROVIDERS }] });
  flooding = await connectBus({ ...stage.nats.transport("flooding"), name: "flooding", log });
});
afterEach(async () => {
  await flooding?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

const success = (provider: string): ReportedEvent => ({
  ...{ v: 1, kind: "outcome", result: "ok", count: 1, latency_ms: 1 },
  ...{ id: randomUUID(), at: Date.now(), provider },
});
const reportOf = (count: number, provider = OPENAI) =>
  writeMessage({ v: 1, events: Array.from({ length: count }, () => success(provider)) });
const sendReport = (bus: Bus, data: Uint8Array, provider = OPENAI) =>
  bus.request(subjectOf("trustTell", { user: bus.user, provider }), data, { timeoutMs: 10_000 });

/** Keeps 16 reports of 256 events of each provider open, until it is disposed of. */
function keepTelling(): AsyncDisposable {
  let isOver = false;
  const bus = flooding;
  const go = async (provider: string): Promise<void> => {
    while (!isOver) await sendReport(bus, reportOf(256, provider), provider).catch(() => delay(50));
  };
  const going = PROVIDERS.flatMap((provider) => Array.from({ length: 16 }, () => go(provider)));
  return {
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await Promise.all(going);
    },
  };
}

/** Resolves when the published document contains the event with this number. */
const inForce = (seq: number): Promise<unknown> =>
  eventually(() => (stage.documents.at(-1)?.stream.seq ?? 0) >= seq, LONG);
const seqIn = ({ data }: { readonly data: Uint8Array }): number =>
  JSON.parse(Buffer.from(data).toString("utf8")).seq;

test("while one teller keeps 32 reports of 256 events open, overrides and reports of others take effect, and its own events are stored at its rate", async () => {
  await using scorer = await launchScorer(stage.nats);
  await scorer.ready();
  await using flood = keepTelling();
  const began = performance.now();
  let others = 0;
  while (performance.now() < began + FLOOD_MS) {
    const override = writeMessage(eventOf({ kind: "calibration", score: 0.9 }, others));
    await inForce(seqIn(await stage.controller.request(overrideSubject, override, { timeoutMs: 10_000 })));
    await inForce(seqIn(await sendReport(stage.orchestrator, reportOf(1))));
    others += 2;
    await delay(100);
  }
  const { last } = await stage.events.bounds();
  const seconds = (performance.now() - began) / 1000;
  await flood[Symbol.asyncDispose]();
  expect(last - others).toBeLessThan(EVENTS_AT_ONCE + EVENTS_PER_SECOND * (seconds + 1));
}, 120_000);

test("a teller that exceeds its rate loses nothing that it sends again after BUSY, and each event counts once", async () => {
  await using scorer = await startScorer(stage.nats);
  let busy = 0;
  const TELLINGS = 22;
  for (let sent = 0; sent < TELLINGS; sent += 1) {
    const data = reportOf(256);
    const isStored = (): Promise<boolean> =>
      sendReport(flooding, data).then(
        () => true,
        (error) => {
          expect(error).toMatchObject({ code: "BUSY" });
          busy += 1;
          return false;
        },
      );
    await eventually(isStored, { ...LONG, everyMs: 100 });
  }
  expect(busy).toBeGreaterThan(0);
  expect((await stage.events.bounds()).last).toBe(TELLINGS * 256);
  await eventually(async () => (await appliedIn(stage)) === TELLINGS * 256, LONG);
  expect(await scorer.metric("scbe_trust_events_total", { result: "applied" })).toBe(TELLINGS * 256);
  expect(await scorer.metric("scbe_endpoint_busy_total", { endpoint: "tell" })).toBe(busy);
}, 60_000);

test("unreadable reports are limited by their bytes", async () => {
  await using _scorer = await startScorer(stage.nats);
  const unreadable = Buffer.alloc(256 * 1024, "x");
  const codes: string[] = [];
  for (let n = 0; n < 64; n += 1)
    codes.push(await sendReport(flooding, unreadable).then(String, ({ code }) => code));
  expect(codes.slice(0, 16)).toEqual(Array.from({ length: 16 }, () => "BAD_REQUEST"));
  expect(codes).toContain("BUSY");
}, 60_000);
