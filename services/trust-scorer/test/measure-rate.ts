import { eventually } from "@scbe/testkit";
import { appliedIn, PROVIDERS, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf } from "./trust-story.ts";

/** Events a second that one scorer applies and stores, from a stream that is already filled: `node services/trust-scorer/test/measure-rate.ts`. */
const EVENTS = 20_000;

await using stage = await startStage();
for (let at = 0; at < EVENTS; at += 250) {
  const events = Array.from({ length: 250 }, (_, n) =>
    eventOf({ kind: "outcome", result: "ok" }, at + n, PROVIDERS[n % PROVIDERS.length]),
  );
  await send(stage, events);
}
await eventually(async () => (await stage.events.bounds()).last === EVENTS);
await using _scorer = await startScorer(stage.nats);
const [startedAt, before] = [performance.now(), await appliedIn(stage)];
await eventually(async () => (await appliedIn(stage)) === EVENTS, { timeoutMs: 60_000 });
const seconds = (performance.now() - startedAt) / 1000;
process.stdout.write(`${Math.round((EVENTS - before) / seconds)} events/s\n`);
