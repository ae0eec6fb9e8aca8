import {
  type OutcomeResult,
  RECENT_IDS_MAX,
  STORES,
  type TrustEvent,
  trustIn,
  trustScore,
  trustShare,
} from "@scbe/contracts";
import { TRUST_DOCUMENT_BYTES_MAX } from "@scbe/verifier";
import { describe, expect, test } from "vitest";
import {
  CREATED,
  eventOf,
  idOf,
  OPENAI,
  type Plot,
  replay,
  rowOf,
  START,
  storyFrom,
  times,
} from "../../test/trust-story.ts";
import { apply, type StoredEvent } from "./apply.ts";
import { W_AFTER_EXCLUSION, WEIGHTS } from "./evidence.ts";
import { ROWS_MAX } from "./tellers.ts";
import {
  emptyTrust,
  encodeTrust,
  onStream,
  readTrust,
  TRUST_DEFAULTS,
  type TrustState,
} from "./trust-state.ts";

const of = (story: readonly StoredEvent[]) => trustIn(replay(story), OPENAI);
const row = (story: readonly StoredEvent[]) => rowOf(replay(story));
const failures = (count: number, ms = 0) => times(count, [ms, "timeout"] as const);
const calibrated = (ms: number, score: number): readonly [number, Plot] => [
  ms,
  { kind: "calibration", score },
];

const rowsIn = (state: TrustState): number =>
  Object.values(state.providers).reduce((sum, { tellers }) => sum + Object.keys(tellers).length, 0);

describe("quality", () => {
  test("five failures exclude; four do not, nor four more after successes have cancelled the first four", () => {
    expect(row(storyFrom(...failures(4)))).toMatchObject({ exclusion: null, samples: 4 });
    expect(row(storyFrom(...failures(5))).exclusion).toEqual({ since: START, until: START + 30_000 });
    const worn = times(1700, [0, "ok"] as const);
    expect(row(storyFrom(...failures(4), ...worn, ...failures(4))).exclusion).toBeNull();
  });

  test("a long clean past does not count", () => {
    expect(row(storyFrom(...times(3000, [0, "ok"] as const), ...failures(5))).exclusions).toBe(1);
  });

  test("after an exclusion three failures exclude again, for longer each time, up to five minutes", () => {
    let ms = 0;
    const plots: (readonly [number, OutcomeResult])[] = failures(5);
    const lasted: number[] = [];
    for (let n = 1; n <= 12; n += 1) {
      const { exclusions, exclusion } = row(storyFrom(...plots));
      expect(exclusions).toBe(n);
      lasted.push(((exclusion?.until ?? 0) - (exclusion?.since ?? 0)) / 1000);
      ms = (exclusion?.until ?? 0) - START;
      plots.push(...failures(2, ms));
      expect(row(storyFrom(...plots)).exclusions).toBe(n);
      plots.push(...failures(1, ms));
    }
    expect(lasted).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
  });

  test("late outcomes of requests before the end of the exclusion do not count", () => {
    const late: Plot = { kind: "outcome", result: "timeout", latency_ms: 60_000 };
    const story = [...failures(5), ...times(20, [60_000, late] as const)];
    expect(row(storyFrom(...story))).toMatchObject({ exclusions: 1, samples: 5, w: W_AFTER_EXCLUSION });
    expect(row(storyFrom(...story, ...failures(3, 90_000))).exclusions).toBe(2);
  });

  test.each(["no_responders", "busy", "refused"] as const)("%s is no evidence about a provider", (result) => {
    const before = of(storyFrom(...failures(4)));
    expect(of(storyFrom(...failures(4), ...times(100, [0, result] as const)))).toEqual(before);
  });

  test("noise for a fresh envelope and every invalid answer weigh as much as a failure", () => {
    const results = ["refused_again", "empty", "media_type", "schema", "size", "latency"] as const;
    for (const result of results) expect(WEIGHTS[result]).toEqual(WEIGHTS.provider_error);
  });
});

describe("an operator's override", () => {
  test("restores a provider at once, in full, and forgets its exclusions", () => {
    const trust = of(storyFrom(...failures(5), calibrated(1000, 0.95)));
    expect([trustScore(trust, START + 1000), trustShare(trust, START + 1000)]).toEqual([0.95, 100]);
    expect(trust).toMatchObject({
      tellers: { orchestrator: { exclusions: 0, exclusion: null } },
      calibration: { score: 0.95, reason: "looked at it", by: "ana", at: START + 1000 },
    });
  });

  test("of 0 excludes a provider until the next calibration, whatever is reported meanwhile", () => {
    const out = [calibrated(0, 0), ...times(2000, [400_000, "ok"] as const)];
    const later = START + 1_000_000_000;
    expect(trustShare(of(storyFrom(...out)), later)).toBe(0);
    expect(trustShare(of(storyFrom(...out, calibrated(500_000, 1))), later)).toBe(100);
  });

  test("of quality does not change a latch", () => {
    const latched = of(storyFrom([0, { kind: "integrity", cause: "nonce_reuse" }], calibrated(1, 1)));
    expect(latched.latch).toEqual({
      ...{ cause: "nonce_reuse", since: START, event: expect.any(String), n: 1, tellers: [] },
    });
    expect(trustScore(latched, START + 2)).toBe(0);
  });

  test("clears the latch that it names, and none with a newer event", () => {
    const reuse: Plot = { kind: "integrity", cause: "nonce_reuse" };
    const clears = (n: number): readonly [number, Plot] => [9, { kind: "clearing", of: n }];
    expect(of(storyFrom([0, reuse], clears(0))).latch).toBeNull();
    expect(of(storyFrom([0, reuse], [5, reuse], clears(0))).latch).toMatchObject({ since: START });
    expect(of(storyFrom([0, reuse], [5, reuse], clears(1))).latch).toBeNull();
    expect(of(storyFrom([0, reuse], clears(0), [10, reuse], clears(0))).latch).toMatchObject({
      since: START + 10,
    });
  });
});

describe("the stream", () => {
  test("that was made anew is read from its first message, and trust is kept", () => {
    const before = replay(storyFrom(...failures(4), [0, { kind: "integrity", cause: "nonce_reuse" }]));
    expect(onStream(before, CREATED)).toBe(before);
    const moved = onStream(before, "2027-02-01T00:00:00Z");
    const event = eventOf({ kind: "outcome", result: "timeout" }, 99);
    const after = apply(moved, { seq: 1, at: START + 1, event }, TRUST_DEFAULTS);
    expect(rowOf(after).exclusions).toBe(1);
    expect(trustIn(after, OPENAI).latch).toMatchObject({ cause: "nonce_reuse" });
  });

  test("names at most 64 providers; events of others are ignored", () => {
    let state = emptyTrust(CREATED);
    for (let n = 0; n < 70; n += 1) {
      const event = eventOf({ kind: "outcome", result: "timeout" }, n, `p${n}`);
      state = apply(state, { seq: n + 1, at: START, event }, TRUST_DEFAULTS);
    }
    expect(Object.keys(state.providers)).toHaveLength(64);
    expect(state.stream.seq).toBe(70);
    expect(readTrust(Buffer.from(JSON.stringify(state)))).toEqual(state);
  });

  test("makes no state and no document that is too large to store, with the longest names, ids and reasons of 64 providers and their tellers", () => {
    let state = emptyTrust(CREATED);
    let id = 0;
    const put = (event: TrustEvent): void => {
      id += 1;
      const long = event.kind === "integrity" && event.cause === "nonce_reuse" ? "i".repeat(40) : "";
      const stored = { ...event, id: `${long}${idOf(id)}`.slice(0, 64) } as TrustEvent;
      state = apply(state, { seq: state.stream.seq + 1, at: 9e15, event: stored }, TRUST_DEFAULTS);
    };
    const name = (letter: string, n: number) => `${letter.repeat(61)}${100 + n}`;
    const word = { reason: "\u0001".repeat(500), by: "\u0001".repeat(128) };
    for (let n = 0; n < 64; n += 1) {
      const provider = name("p", n);
      for (let more = 0; more < RECENT_IDS_MAX; more += 1) {
        put(eventOf({ kind: "integrity", cause: "nonce_reuse" }, 0, provider));
        for (let teller = 0; teller < 5; teller += 1) {
          const result = more % 2 === 0 ? "timeout" : "ok";
          put(
            eventOf(
              { kind: "outcome", result, count: result === "ok" ? 9999 : 1 },
              0,
              provider,
              name("t", teller),
            ),
          );
        }
      }
      for (let teller = 0; teller < 5; teller += 1)
        put(eventOf({ kind: "integrity", cause: "bound_response_fails" }, 0, provider, name("t", teller)));
      put({ ...eventOf({ kind: "calibration", score: 0 }, 0, provider), ...word } as TrustEvent);
    }
    expect(Object.keys(state.providers)).toHaveLength(64);
    expect(rowsIn(state)).toBe(ROWS_MAX);
    expect(encodeTrust(state).length).toBeLessThan(STORES.trust.maxValueBytes);
    expect(encodeTrust({ ...state, recent: {} }).length).toBeLessThan(TRUST_DOCUMENT_BYTES_MAX);
    expect(readTrust(encodeTrust(state))).toEqual(state);
  });

  test("drops rows without evidence first if there are too many, then the one with the oldest report, and never a latch for all", () => {
    const providers = Array.from({ length: 4 }, (_, n) => `p${n}`);
    let state = emptyTrust(CREATED);
    const put = (plot: Plot, provider: string, teller: string): void => {
      const seq = state.stream.seq + 1;
      const event = eventOf(plot, seq, provider, teller);
      state = apply(state, { seq, at: START + seq, event }, TRUST_DEFAULTS);
    };
    const timeout: Plot = { kind: "outcome", result: "timeout" };
    put({ kind: "integrity", cause: "bound_response_fails" }, "p0", "a");
    put({ kind: "integrity", cause: "bound_response_fails" }, "p0", "b");
    expect(trustIn(state, "p0").latch).toMatchObject({ tellers: ["a", "b"] });
    put(timeout, "p1", "failed");
    for (let n = 0; n < ROWS_MAX; n += 1)
      put({ kind: "outcome", result: "ok" }, providers[n % 4] ?? "", `clean-${n}`);
    expect(rowsIn(state)).toBe(ROWS_MAX);
    expect(rowOf(state, "p1", "failed").w).toBe(1.609);
    expect(rowOf(state, "p0", "clean-0").samples).toBe(0);
    for (let n = 0; n < ROWS_MAX; n += 1) put(timeout, providers[n % 4] ?? "", `bad-${n}`);
    expect(rowsIn(state)).toBe(ROWS_MAX);
    expect(rowOf(state, "p1", "failed").samples).toBe(0);
    expect(Object.keys(state.recent)).toHaveLength(ROWS_MAX);
    expect(trustIn(state, "p0").latch).toMatchObject({ tellers: ["a", "b"] });
  });

  test("of 50,000 events is applied without a loss, and the state stays small", () => {
    const plots = Array.from({ length: 50_000 }, (_, n) => [n, n % 400 === 0 ? "timeout" : "ok"] as const);
    const state = replay(storyFrom(...plots));
    expect(rowOf(state).samples).toBe(50_000);
    expect(JSON.stringify(state).length).toBeLessThan(8000);
  });

  test("whose state was restored from the document names as many providers as before, and no more", () => {
    let state = emptyTrust(CREATED);
    for (let n = 0; n < 70; n += 1) {
      if (n === 64) state = { ...state, recent: {} };
      const event = eventOf({ kind: "outcome", result: "timeout" }, n, `p${n}`);
      state = apply(state, { seq: n + 1, at: START, event }, TRUST_DEFAULTS);
    }
    expect(readTrust(encodeTrust(state))?.providers).toEqual(state.providers);
    expect(Object.keys(state.providers)).toHaveLength(64);
  });

  test("malformed states are refused", () => {
    for (const text of ["", "{", "[]", JSON.stringify({ ...emptyTrust(CREATED), more: 1 })]) {
      expect(readTrust(Buffer.from(text))).toBeUndefined();
    }
  });
});
