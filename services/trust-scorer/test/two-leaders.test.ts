import { BATCH_MAX, type StoredMessage } from "@scbe/bus";
import { writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { StoredEvent } from "../src/domain/apply.ts";
import { TRUST_DEFAULTS } from "../src/domain/trust-state.ts";
import type { StoredTrust } from "../src/ports.ts";
import { Scorer } from "../src/scorer.ts";
import { storedAs } from "./scorer-stage.ts";
import { CREATED, PROVIDERS, replay, storyOf, tellersOf } from "./trust-story.ts";

const log = createLogger({ name: "test", level: "silent" });
const PASSES = 6;
const deployed = tellersOf(1);

/** A stream that grows with each read, and a store; two scorers use both in the order of the scheduler. */
function shared(story: readonly StoredEvent[], scheduler: fc.Scheduler) {
  const messages = story.map(
    ({ seq, at, event }): StoredMessage => ({ seq, at, subject: storedAs(event), data: encode(event) }),
  );
  let looks = 0;
  let stored: StoredTrust | undefined;
  const inTurn = async <T>(work: () => T): Promise<T> => {
    await scheduler.schedule(Promise.resolve());
    return work();
  };
  const bounds = () => {
    looks += 1;
    const last = messages[Math.min(looks * 8, messages.length) - 1]?.seq ?? 0;
    return { created: CREATED, first: 1, last, messages: 0, bytes: 0, bytesMax: -1 };
  };
  return {
    stored: () => stored,
    stream: {
      bounds: () => inTurn(bounds),
      batch: (from: number, last: number) =>
        inTurn(() => messages.filter(({ seq }) => seq >= from && seq <= last).slice(0, BATCH_MAX)),
    },
    store: {
      read: () => inTurn(() => stored),
      write: (state: StoredTrust["state"], revision: number | undefined) =>
        inTurn(() => {
          if (stored?.revision !== revision) return undefined;
          stored = { state, revision: (revision ?? 0) + 1 };
          return stored.revision;
        }),
      newestReadable: () => inTurn(() => undefined),
      writeDocument: () => inTurn(() => {}),
      readDocument: () => inTurn(() => undefined),
    },
  };
}

test("two scorers that both believe to lead make the state of one reading of the stream, under any interleaving", async () => {
  let conflicts = 0;
  await fc.assert(
    fc.asyncProperty(storyOf(), fc.scheduler(), async (story, scheduler) => {
      const { stream, store, stored } = shared(story, scheduler);
      const write: typeof store.write = async (state, revision) => {
        const next = await store.write(state, revision);
        if (next === undefined) conflicts += 1;
        return next;
      };
      const leader = () =>
        new Scorer({
          ...{ stream, store: { ...store, write }, log },
          leadership: { leading: true },
          clock: { now: () => 0, monotonic: () => 0 },
          providers: new Set(PROVIDERS),
          weighing: TRUST_DEFAULTS,
          tellers: () => deployed,
          send: () => {},
          onRead: () => {},
          onMended: () => {},
        });
      const lead = async (scorer: Scorer): Promise<void> => {
        for (let pass = 0; pass < PASSES; pass += 1) await scorer.reconcile();
      };
      await scheduler.waitFor(Promise.all([lead(leader()), lead(leader())]));
      const last = leader();
      for (let more = true; more; ) more = await scheduler.waitFor(last.reconcile());
      if (story.length > 0) expect(stored()?.state).toEqual(replay(story));
    }),
    { numRuns: 200 },
  );
  // Otherwise the two would never have conflicted.
  expect(conflicts).toBeGreaterThan(100);
});

test("a scorer whose leadership ended while it stored the state broadcasts nothing", async () => {
  const leadership = { leading: true };
  let broadcasts = 0;
  const place = { created: CREATED, first: 1, last: 0, messages: 0, bytes: 0, bytesMax: -1 };
  const scorer = new Scorer({
    ...{ leadership, log },
    stream: { bounds: async () => place, batch: async () => [] },
    store: {
      read: async () => undefined,
      write: async () => 1,
      newestReadable: async () => undefined,
      writeDocument: async () => {
        leadership.leading = false;
      },
      readDocument: async () => undefined,
    },
    clock: { now: () => 0, monotonic: () => 0 },
    providers: new Set(PROVIDERS),
    weighing: TRUST_DEFAULTS,
    tellers: () => deployed,
    send: () => {
      broadcasts += 1;
    },
    onRead: () => {},
    onMended: () => {},
  });
  await scorer.reconcile();
  expect(broadcasts).toBe(0);
  leadership.leading = true;
  await scorer.reconcile();
  expect(broadcasts).toBe(1);
});

function encode(value: unknown): Uint8Array {
  return writeMessage(value);
}
