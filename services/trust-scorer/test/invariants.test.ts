import {
  type ClearingEvent,
  type TrustEvent,
  tellerShare,
  trustIn,
  trustScore,
  trustShare,
} from "@scbe/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { apply } from "../src/domain/apply.ts";
import { WEIGHTS } from "../src/domain/evidence.ts";
import { withTellers } from "../src/domain/tellers.ts";
import { encodeTrust, readTrust, TRUST_DEFAULTS } from "../src/domain/trust-state.ts";
import {
  BATCH,
  CREATED,
  eventOf,
  OPENAI,
  ORCHESTRATOR,
  PROVIDERS,
  replay,
  rowOf,
  START,
  STORY_MAX,
  type Step,
  singly,
  steps,
  storyOf,
  TELLERS,
  tellersOf,
} from "./trust-story.ts";

const RUNS = { numRuns: 500 };
const YEARS = 1_000_000_000_000;
const laterOn = fc.integer({ min: START, max: START + YEARS });

/** The exclusions by one teller's outcomes, each with the number of failures that this teller reported since the one before. */
function exclusionsIn(story: readonly Step[]) {
  const failed = new Map<string, number>();
  return story.flatMap(({ stored: { event }, teller, rowBefore: before, rowAfter: after }) => {
    const key = `${teller}/${event.provider}`;
    const fails = event.kind === "outcome" && WEIGHTS[event.result] > 0;
    failed.set(key, (failed.get(key) ?? 0) + (fails ? 1 : 0));
    if (after.exclusions <= before.exclusions) return [];
    const failures = failed.get(key) ?? 0;
    failed.set(key, 0);
    return [{ failures, before, after }];
  });
}

const lastsMs = ({ exclusion }: Step["rowAfter"]) =>
  (exclusion?.until ?? Number.NaN) - (exclusion?.since ?? 0);

test("time alone never changes the evidence, however long ago it was", () => {
  let excluded = 0;
  fc.assert(
    fc.property(storyOf(), fc.nat(YEARS), (story, passes) => {
      const [last] = story.slice(-1);
      if (last === undefined) return;
      const state = replay(story);
      for (const provider of PROVIDERS) {
        const before = rowOf(state, provider);
        const at = last.at + passes;
        const event = eventOf({ kind: "outcome", result: "busy" }, 999, provider);
        const after = apply(state, { seq: last.seq + 1, at, event }, TRUST_DEFAULTS);
        expect(rowOf(after, provider)).toEqual({ ...before, at });
        if (before.exclusion !== null) excluded += 1;
      }
    }),
    RUNS,
  );
  // Otherwise the case of a provider after an exclusion would be missing.
  expect(excluded).toBeGreaterThan(100);
});

test("until the first exclusion the times of events do not matter", () => {
  const passes = fc.array(fc.nat(10_000_000), { minLength: STORY_MAX, maxLength: STORY_MAX });
  fc.assert(
    fc.property(storyOf({ overrides: false }), passes, (story, pauses) => {
      let at = START;
      const elsewhen = story.map((stored, n) => {
        at += pauses[n] ?? 0;
        return { ...stored, at };
      });
      const [one, other] = [steps(story), steps(elsewhen)];
      const first = one.findIndex(({ state }) => PROVIDERS.some((p) => rowOf(state, p).exclusions > 0));
      for (const [n, { rowAfter }] of one.slice(0, first === -1 ? undefined : first + 1).entries()) {
        expect(other[n]?.rowAfter).toMatchObject({ w: rowAfter.w, samples: rowAfter.samples });
      }
    }),
    RUNS,
  );
});

test("one failure never excludes: the first exclusion takes five failures, a further one three", () => {
  let seen = 0;
  fc.assert(
    fc.property(storyOf({ overrides: false }), (story) => {
      for (const { failures, before } of exclusionsIn(steps(story))) {
        expect(failures).toBeGreaterThanOrEqual(before.exclusions === 0 ? 5 : 3);
        seen += 1;
      }
    }),
    RUNS,
  );
  expect(seen).toBeGreaterThan(100);
});

test("a further exclusion never shortens the one before, and is never shorter, unless an operator has calibrated meanwhile", () => {
  let seen = 0;
  fc.assert(
    fc.property(storyOf({ overrides: false }), (story) => {
      for (const { before, after } of exclusionsIn(steps(story))) {
        expect(lastsMs(after)).toBe(Math.min(30_000 * after.exclusions, 300_000));
        if (before.exclusion === null) continue;
        seen += 1;
        expect(lastsMs(after)).toBeGreaterThanOrEqual(lastsMs(before));
        expect(after.exclusion?.until ?? 0).toBeGreaterThan(before.exclusion.until ?? Infinity);
      }
    }),
    RUNS,
  );
  expect(seen).toBeGreaterThan(50);
});

test("the state is that of a sequential replay, however often a part of the stream is read, and by any scorer", () => {
  const leaders = fc.array(fc.tuple(fc.nat(STORY_MAX), fc.nat(STORY_MAX)), { maxLength: 6 });
  fc.assert(
    fc.property(storyOf(), leaders, (story, readings) => {
      let state = replay([]);
      for (const [from, count] of readings) {
        // From the stored number on, or from before it, which was applied already; never from after it.
        const next = story.findIndex(({ seq }) => seq > state.stream.seq);
        const begin = Math.min(from, next === -1 ? story.length : next);
        // Without remembered ids, so that only the numbers can tell.
        state = { ...state, recent: {} };
        for (const stored of story.slice(begin, begin + count)) state = apply(state, stored, TRUST_DEFAULTS);
      }
      for (const stored of story) state = apply(state, stored, TRUST_DEFAULTS);
      expect(state.providers).toEqual(replay(story).providers);
    }),
    RUNS,
  );
});

test("a run of successes equals as many single ones, whatever is before and after it", () => {
  let runs = 0;
  fc.assert(
    fc.property(storyOf(), (story) => {
      const [together, single] = [replay(story), replay(singly(story))];
      expect(single.providers).toEqual(together.providers);
      runs += story.filter(({ event }) => event.kind === "outcome" && event.count > 1).length;
    }),
    RUNS,
  );
  expect(runs).toBeGreaterThan(1000);
});

test("an event that is in the stream twice, under two numbers, counts once", () => {
  fc.assert(
    fc.property(storyOf(), fc.nat(STORY_MAX), (story, from) => {
      const end = story.at(-1)?.seq ?? 0;
      const again = story.slice(from).map((stored, n) => ({ ...stored, seq: end + n + 1 }));
      const [once, twice] = [replay(story), replay([...story, ...again])];
      expect({ ...twice, stream: null }).toEqual({ ...once, stream: null });
    }),
    RUNS,
  );
});

test("a message whose number is not above the last one changes nothing, whatever it contains", () => {
  fc.assert(
    fc.property(storyOf(), fc.nat(STORY_MAX), (story, back) => {
      const state = replay(story);
      const event = eventOf({ kind: "integrity", cause: "nonce_reuse" }, 999);
      const stored = { seq: Math.max(0, state.stream.seq - back), at: START, event };
      expect(apply(state, stored, TRUST_DEFAULTS)).toBe(state);
    }),
    RUNS,
  );
});

test("a provider with a latch gets no requests, whatever its quality; one of bad quality gets its share", () => {
  const seen = { latched: 0, onlyBad: 0 };
  fc.assert(
    fc.property(storyOf(), laterOn, (story, now) => {
      const state = replay(story);
      for (const provider of PROVIDERS) {
        const trust = trustIn(state, provider);
        expect(trustShare(trust, now) === 0).toBe(trustScore(trust, now) === 0);
        if (trust.latch !== null) {
          expect([trustScore(trust, now), trustShare(trust, now)]).toEqual([0, 0]);
          seen.latched += 1;
        } else if (trustShare(trust, story.at(-1)?.at ?? START) === 0) seen.onlyBad += 1;
      }
    }),
    RUNS,
  );
  expect(seen.latched).toBeGreaterThan(100);
  expect(seen.onlyBad).toBeGreaterThan(100);
});

test("only an operator's clearing of its event ends a latch, and only an integrity event begins one", () => {
  let cleared = 0;
  fc.assert(
    fc.property(storyOf(), (story) => {
      for (const { stored, before, after } of steps(story)) {
        const { event } = stored;
        if (before.latch === null && after.latch !== null) expect(event.kind).toBe("integrity");
        if (before.latch === null || after.latch !== null) continue;
        expect(event).toMatchObject({ kind: "clearing", by: "ana", clears: before.latch.event });
        cleared += 1;
      }
    }),
    RUNS,
  );
  expect(cleared).toBeGreaterThan(10);
});

test("a restart keeps every latch and all evidence, and the state continues as without it", () => {
  fc.assert(
    fc.property(storyOf(), fc.nat(STORY_MAX), (story, at) => {
      const stored = encodeTrust(replay(story.slice(0, at)));
      let state = readTrust(stored);
      expect(state).toEqual(replay(story.slice(0, at)));
      for (const later of story.slice(at)) state = state && apply(state, later, TRUST_DEFAULTS);
      expect(state).toEqual(replay(story));
      expect(state?.stream.created).toBe(CREATED);
    }),
    RUNS,
  );
});

test("events of one provider change nothing of another", () => {
  fc.assert(
    fc.property(storyOf(), fc.constantFrom(...PROVIDERS), (story, provider) => {
      const own = story.filter(({ event }) => event.provider === provider);
      expect(trustIn(replay(story), provider)).toEqual(trustIn(replay(own), provider));
    }),
    RUNS,
  );
});

const DEPLOYMENT = fc.constantFrom(1, 2, 3);

test("the reports of one teller change only its own row, and its row depends on its reports alone", () => {
  let rows = 0;
  fc.assert(
    fc.property(storyOf({ tellers: 3 }), (story) => {
      const state = replay(story, 3);
      for (const teller of TELLERS) {
        const own = story.filter(({ event }) => !("teller" in event) || event.teller === teller);
        const alone = replay(own, 3);
        for (const provider of PROVIDERS) {
          const { latch: _, ...quality } = rowOf(state, provider, teller);
          const { latch: __, ...expected } = rowOf(alone, provider, teller);
          expect(quality).toEqual(expected);
          if (quality.samples > 0) rows += 1;
        }
      }
    }),
    RUNS,
  );
  expect(rows).toBeGreaterThan(1000);
});

test("with two or more tellers no report of one changes the share or the score of a provider for another, by quality or integrity", () => {
  let bad = 0;
  fc.assert(
    fc.property(storyOf({ overrides: false }), fc.constantFrom(2, 3), laterOn, (story, tellers, now) => {
      const reports = story.filter(({ event }) => "teller" in event);
      for (const { state } of steps(reports, tellers)) {
        for (const provider of PROVIDERS) {
          const trust = trustIn(state, provider);
          for (const at of [now, story.at(-1)?.at ?? START]) {
            expect([trustShare(trust, at), trustScore(trust, at)]).toEqual([100, 1]);
            expect([trustShare(trust, at, BATCH), trustScore(trust, at, BATCH)]).toEqual([100, 1]);
            if (trustShare(trust, at, ORCHESTRATOR) === 0) bad += 1;
          }
        }
      }
    }),
    RUNS,
  );
  expect(bad).toBeGreaterThan(1000);
});

test("the share for all is below 100 only while two tellers, or the only one, have it that low; a burst of successes of a third changes nothing", () => {
  let agreed = 0;
  fc.assert(
    fc.property(storyOf({ overrides: false, tellers: 2 }), DEPLOYMENT, laterOn, (story, tellers, now) => {
      const end = story.at(-1);
      if (end === undefined) return;
      const state = replay(story, tellers);
      const burst = { kind: "outcome", result: "ok", count: 10_000 } as const;
      for (const provider of PROVIDERS) {
        const stored = { seq: end.seq + 1, at: end.at, event: eventOf(burst, 999, provider, TELLERS[2]) };
        const after = trustIn(apply(state, stored, TRUST_DEFAULTS), provider);
        const trust = trustIn(state, provider);
        for (const at of [now, end.at]) {
          const share = trustShare(trust, at);
          expect(trustShare(after, at)).toBe(share);
          if (share === 100 || trust.latch !== null) continue;
          const agreeing = Object.values(trust.tellers).filter((row) => tellerShare(row, at) <= share);
          expect(agreeing.length).toBeGreaterThanOrEqual(tellers === 1 ? 1 : 2);
          agreed += 1;
        }
      }
    }),
    RUNS,
  );
  expect(agreed).toBeGreaterThan(20);
});

test("a latch for all is set by a guard, or by as many tellers as the quorum needs, and names them", () => {
  const seen = { guard: 0, tellers: 0 };
  fc.assert(
    fc.property(storyOf({ tellers: 3 }), DEPLOYMENT, (story, tellers) => {
      for (const { before, after } of steps(story, tellers)) {
        if (before.latch !== null || after.latch === null) continue;
        const { cause, tellers: named, event } = after.latch;
        const own = Object.entries(after.tellers).filter(([, { latch }]) => latch !== null);
        if (cause === "nonce_reuse") {
          expect([named, after.reuse?.event]).toEqual([[], event]);
          seen.guard += 1;
        } else {
          expect(named).toEqual(own.map(([teller]) => teller).toSorted());
          expect(named.length).toBeGreaterThanOrEqual(tellers === 1 ? 1 : 2);
          seen.tellers += 1;
        }
      }
    }),
    RUNS,
  );
  expect(seen.guard).toBeGreaterThan(100);
  expect(seen.tellers).toBeGreaterThan(20);
});

test("a latch in force survives every change of the deployment's tellers, and a restart", () => {
  let kept = 0;
  fc.assert(
    fc.property(storyOf({ tellers: 3 }), DEPLOYMENT, fc.array(DEPLOYMENT), (story, tellers, later) => {
      let state = replay(story, tellers);
      const before = PROVIDERS.map((provider) => trustIn(state, provider).latch !== null);
      for (const count of later)
        state = readTrust(encodeTrust(withTellers(state, tellersOf(count)))) ?? state;
      for (const [n, provider] of PROVIDERS.entries()) {
        if (before[n] !== true) continue;
        expect(trustIn(state, provider).latch).not.toBeNull();
        kept += 1;
      }
    }),
    RUNS,
  );
  expect(kept).toBeGreaterThan(50);
});

test("an operator's clearing of the latch for all ends it for all, however often one teller reports again", () => {
  let ended = 0;
  fc.assert(
    fc.property(storyOf({ tellers: 3 }), fc.nat(20), (story, more) => {
      const end = story.at(-1);
      if (end === undefined) return;
      let state = replay(story, 3);
      const { latch } = trustIn(state, OPENAI);
      if (latch === null) return;
      let { seq } = end;
      const put = (event: TrustEvent): void => {
        seq += 1;
        state = apply(state, { seq, at: end.at, event }, TRUST_DEFAULTS);
      };
      const doubt = { kind: "integrity", cause: "bound_response_fails" } as const;
      for (let n = 0; n < more; n += 1) put(eventOf(doubt, 2000 + n, OPENAI, BATCH));
      const named = trustIn(state, OPENAI).latch?.event ?? "";
      for (let n = 0; n < more; n += 1) put(eventOf(doubt, 3000 + n, OPENAI, BATCH));
      const clearing = eventOf({ kind: "clearing", of: 0 }, 999, OPENAI) as ClearingEvent;
      put({ ...clearing, clears: named });
      expect(trustIn(state, OPENAI).latch).toBeNull();
      ended += 1;
    }),
    RUNS,
  );
  expect(ended).toBeGreaterThan(50);
});
