import { BATCH_MAX, type StoredMessage } from "@scbe/bus";
import { type TrustDocument, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StoredEvent } from "../src/domain/apply.ts";
import type { Tellers } from "../src/domain/tellers.ts";
import { documentOf, TRUST_DEFAULTS, type TrustState } from "../src/domain/trust-state.ts";
import { Scorer } from "../src/scorer.ts";
import { storedAs } from "./scorer-stage.ts";
import {
  begin,
  CREATED,
  eventOf,
  OPENAI,
  PROVIDERS,
  replay,
  START,
  steps,
  storyFrom,
  storyOf,
  TELLERS,
  tellersOf,
} from "./trust-story.ts";

const log = createLogger({ name: "test", level: "silent" });
/** The revision of the unreadable value. */
const REVISION = 7;

interface Broken {
  /** The messages that the stream still has. */
  readonly story: readonly StoredEvent[];
  readonly former?: TrustState | undefined;
  readonly published?: TrustDocument | undefined;
  readonly created?: string;
  /** The stream's last number; by default that of the last message. */
  readonly last?: number;
  readonly tellers?: Tellers;
  /** Runs before each batch of the stream is read. */
  readonly meanwhile?: (other: Other) => void;
}

/** Changes by another scorer, and by time, while the stream is read. */
interface Other {
  write(state: TrustState): void;
  takeLead(): void;
}

/** A scorer whose store has an unreadable value at revision {@link REVISION}, and what it stores and reads. */
function broken({
  story,
  former,
  published,
  created = CREATED,
  last,
  tellers = tellersOf(TELLERS.length),
  meanwhile,
}: Broken) {
  const messages = story.map(
    ({ seq, at, event }): StoredMessage => ({
      ...{ seq, at, subject: storedAs(event) },
      data: writeMessage(event),
    }),
  );
  const end = last ?? messages.at(-1)?.seq ?? 0;
  const ends = { created, first: messages[0]?.seq ?? end + 1, last: end };
  const seen = { mended: [] as string[], sent: [] as TrustDocument[], looks: 0 };
  let nowMs = 0;
  let stored: { readonly state: TrustState | undefined; readonly revision: number } = {
    state: undefined,
    revision: REVISION,
  };
  const leadership = { leading: true };
  const other: Other = {
    write: (state) => {
      stored = { state, revision: stored.revision + 1 };
    },
    takeLead: () => {
      leadership.leading = false;
    },
  };
  const scorer = new Scorer({
    ...{ log, leadership },
    stream: {
      bounds: async () => ({ ...ends, messages: messages.length, bytes: 0, bytesMax: -1 }),
      batch: async (from, to) => {
        meanwhile?.(other);
        return messages.filter(({ seq }) => seq >= from && seq <= to).slice(0, BATCH_MAX);
      },
    },
    store: {
      read: async () => stored as { readonly state: TrustState; readonly revision: number },
      newestReadable: async () => {
        seen.looks += 1;
        return former;
      },
      write: async (state, revision) => {
        if (revision !== stored.revision) return undefined;
        stored = { state, revision: stored.revision + 1 };
        return stored.revision;
      },
      writeDocument: async () => {},
      readDocument: async () => published,
    },
    clock: { now: () => START, monotonic: () => nowMs },
    providers: new Set(PROVIDERS),
    weighing: TRUST_DEFAULTS,
    tellers: () => tellers,
    send: (document) => seen.sent.push(document),
    onRead: () => {},
    onMended: (into) => seen.mended.push(into),
  });
  return {
    ...{ scorer, seen },
    stored: () => stored,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

/** The story without gaps in its numbers, like a stream that has dropped nothing. */
const contiguous = (story: readonly StoredEvent[]) => story.map((stored, n) => ({ ...stored, seq: n + 1 }));
const stories = storyOf({ tellers: TELLERS.length }).map(contiguous);
const cut = fc.nat({ max: 1000 });

/** The state before the first message, and after each. */
function statesOf(story: readonly StoredEvent[]): readonly [TrustState, ...TrustState[]] {
  return [begin(TELLERS.length), ...steps(story, TELLERS.length).map(({ state }) => state)];
}

const at = <T>(values: readonly [T, ...T[]], n: number): T => values[n % values.length] ?? values[0];

describe("an unreadable state", () => {
  test("is rebuilt as one reading of the stream makes it, from any earlier state, or from none", async () => {
    await fc.assert(
      fc.asyncProperty(stories, cut, cut, fc.boolean(), async (story, one, other, hasFormer) => {
        const states = statesOf(story);
        const former = hasFormer ? at(states, one) : undefined;
        const { scorer, stored, seen } = broken({ story, former, published: documentOf(at(states, other)) });
        await scorer.reconcile();
        expect(stored().state).toEqual(replay(story, TELLERS.length));
        expect(seen.mended).toEqual([`the state at message ${story.length} of the trust stream`]);
        expect(seen.sent.map(({ stream }) => stream.seq)).toEqual([story.length]);
      }),
    );
  });

  test("is not changed when any message after the earlier state is gone, and is rebuilt when only older ones are", async () => {
    await fc.assert(
      fc.asyncProperty(stories, cut, cut, async (story, one, gone) => {
        fc.pre(story.length > 0);
        const states = statesOf(story);
        const former = at(states, one);
        const lost = (gone % story.length) + 1;
        const left = story.filter(({ seq }) => seq !== lost);
        const { scorer, stored, seen } = broken({ story: left, former, last: story.length });
        if (lost <= former.stream.seq) {
          await scorer.reconcile();
          expect(stored().state).toEqual(replay(story, TELLERS.length));
        } else {
          await expect(scorer.reconcile()).rejects.toMatchObject({ code: "INTERNAL" });
          expect(stored()).toEqual({ state: undefined, revision: REVISION });
          expect(seen).toMatchObject({ mended: [], sent: [] });
        }
      }),
    );
  });

  const story = storyFrom(
    [0, "timeout"],
    [1, { kind: "integrity", cause: "bound_response_fails" }],
    [2, "busy"],
  );
  const states = steps(story, 1).map(({ state }) => state);
  const [, second, whole] = states as [TrustState, TrustState, TrustState];
  const another = "2027-02-01T00:00:00Z";
  const one = { story, tellers: tellersOf(1) };

  test.each<[string, Broken, string]>([
    ["no document, and no state before it", one, "no document says what it was"],
    [
      "a document of another stream, and no state before it",
      { ...one, created: another, published: documentOf(whole) },
      "no document says what it was",
    ],
    [
      "a state before it of another stream",
      { ...one, created: another, former: second },
      "was made anew since the newest state",
    ],
    [
      "a stream that ends before the state before it",
      { ...one, story: story.slice(0, 1), former: second },
      "was it restored?",
    ],
    [
      "a stream that ends before the published document",
      { ...one, story: story.slice(0, 2), former: second, published: documentOf(whole) },
      "was it restored?",
    ],
    [
      "latches of an earlier stream, which the document has",
      {
        ...one,
        story: storyFrom([0, "ok"]),
        published: { ...documentOf(second), stream: { created: CREATED, seq: 1 } },
      },
      "does not lead to the document",
    ],
    [
      "latches that a change of the list of tellers put in force after the state before it",
      { ...one, former: begin(), published: { ...documentOf(second), stream: { created: CREATED, seq: 0 } } },
      "does not lead to the document",
    ],
    [
      "a latch of tellers that are no more, and no state before it",
      { story, tellers: new Map([[OPENAI, new Set(["batch"])]]), published: documentOf(whole) },
      "does not lead to the document",
    ],
  ])("is left as it stands with %s", async (_what, what, why) => {
    const { scorer, stored, seen } = broken(what);
    await expect(scorer.reconcile()).rejects.toThrow(why);
    await expect(scorer.reconcile()).rejects.toThrow("services/trust-scorer/README.md");
    expect(stored()).toEqual({ state: undefined, revision: REVISION });
    expect(seen).toMatchObject({ mended: [], sent: [] });
  });

  test("is tried again only after a pause, because an attempt can read the whole stream", async () => {
    const { scorer, seen, pass } = broken(one);
    for (let pass = 0; pass < 5; pass += 1) await expect(scorer.reconcile()).rejects.toThrow("no document");
    expect(seen.looks).toBe(1);
    pass(10_000);
    await expect(scorer.reconcile()).rejects.toThrow("no document");
    expect(seen.looks).toBe(2);
  });

  test("is not overwritten when another scorer has mended it meanwhile: its state is read instead", async () => {
    let writes = 0;
    const { scorer, stored, seen } = broken({
      ...{ ...one, former: begin() },
      meanwhile: ({ write }) => {
        writes += 1;
        if (writes === 1) write(whole);
      },
    });
    expect(await scorer.reconcile()).toBe(true);
    expect(stored()).toEqual({ state: whole, revision: REVISION + 1 });
    expect(await scorer.reconcile()).toBe(false);
    expect(scorer.document).toEqual(documentOf(whole));
    expect(seen.mended).toEqual([]);
  });

  test("is not changed by a scorer that no longer leads after it has read the stream", async () => {
    const long = storyFrom(...Array.from({ length: BATCH_MAX + 1 }, (_, n) => [n, "busy"] as const));
    const { scorer, stored, seen } = broken({
      ...{ ...one, story: long, former: begin() },
      meanwhile: ({ takeLead }) => takeLead(),
    });
    await expect(scorer.reconcile()).rejects.toMatchObject({ code: "CONFLICT" });
    expect(stored()).toEqual({ state: undefined, revision: REVISION });
    expect(seen.mended).toEqual([]);
  });

  test("is rebuilt past messages that are not valid events", async () => {
    const foreign: StoredEvent = {
      ...story[1],
      event: eventOf({ kind: "outcome", result: "timeout" }, 9, "unlisted"),
    } as StoredEvent;
    const mixed = [story[0], foreign, story[2]] as StoredEvent[];
    const { scorer, stored } = broken({ ...one, story: mixed, former: begin() });
    await scorer.reconcile();
    expect(stored().state?.stream.seq).toBe(3);
    expect(stored().state?.providers[OPENAI]?.latch).toBeNull();
  });
});
