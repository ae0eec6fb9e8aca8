import { describe, expect, test } from "vitest";
import {
  applySightings,
  compareFirings,
  Firings,
  type Firings as FiringsState,
  firingKey,
  isActive,
  listFirings,
  type Sighting,
  withoutFiring,
} from "./firings.ts";

const KEY = firingKey("SCBEPhaseSkew", "xai");
const FORGET_MS = 120_000;
const at = (now: number) => ({ now, forgetMs: FORGET_MS });
const replica = (name: string) => ({ alertname: "SCBEPhaseSkew", provider: "xai", replica: name });
const replicas = (count: number) => Array.from({ length: count }, (_, index) => replica(`r${index}`));

function see(firings: FiringsState, sighting: Partial<Sighting>, now = 1000, key = KEY): FiringsState {
  const seen = { firing: [], resolved: [], hidden: undefined, ...sighting };
  const after = applySightings(firings, new Map([[key, seen]]), at(now));
  expect(Firings.safeParse(after).success).toBe(true);
  return after;
}
const stands = (firings: FiringsState, now = 1000): boolean => isActive(firings, KEY, at(now));

describe("a firing", () => {
  test("stands from its first alert until the last one has resolved, in whichever order they come", () => {
    let firings = see({}, { firing: [replica("a")] });
    firings = see(firings, { firing: [replica("b")] });
    firings = see(firings, { resolved: [replica("a")] });
    expect(stands(firings)).toBe(true);
    firings = see(firings, { resolved: [replica("a")] });
    expect(stands(firings)).toBe(true);
    firings = see(firings, { resolved: [replica("b")] });
    expect(firings).toEqual({});
  });

  test("ends with no resolved alert of another one", () => {
    const firings = see({}, { firing: [replica("a")] });
    const other = see(firings, { resolved: [replica("a")] }, 1000, firingKey("SCBEPhaseSkew", "openai"));
    expect(stands(other)).toBe(true);
    expect(stands(see(firings, { resolved: [replica("z")] }))).toBe(true);
  });

  test("stands while one post says that one alert has resolved and another one fires", () => {
    const firings = see({}, { firing: [replica("a"), replica("b")] });
    expect(stands(see(firings, { firing: [replica("b")], resolved: [replica("a")] }))).toBe(true);
  });

  test("is forgotten when it is not told for the time to forget, and stands anew from then on", () => {
    const firings = see({}, { firing: [replica("a")] }, 1000);
    expect([stands(firings, 1000 + FORGET_MS - 1), stands(firings, 1000 + FORGET_MS)]).toEqual([true, false]);
    const again = see(firings, { firing: [replica("a")] }, 1000 + FORGET_MS);
    expect(again[KEY]?.since).toBe(1000 + FORGET_MS);
  });

  test("stands on as long as it is told, since its first time", () => {
    let firings: FiringsState = {};
    for (let now = 0; now <= 10 * FORGET_MS; now += FORGET_MS / 2) {
      firings = see(firings, { firing: [replica("a")] }, now);
      expect(stands(firings, now + FORGET_MS / 2)).toBe(true);
    }
    expect(firings[KEY]?.since).toBe(0);
  });

  test("is not kept by an alert that is told no more, though others of it were", () => {
    let firings = see({}, { firing: [replica("gone"), replica("b")] }, 0);
    firings = see(firings, { firing: [replica("b")] }, FORGET_MS - 1);
    firings = see(firings, { resolved: [replica("b")] }, FORGET_MS);
    expect(stands(firings, FORGET_MS)).toBe(false);
  });

  test("of a clock that was far ahead is not believed", () => {
    const firings = see({}, { firing: [replica("a")] }, 10_000_000);
    expect([stands(firings, 10_000_000 - 59_999), stands(firings, 0)]).toEqual([true, false]);
  });
});

describe("alerts that a post has left out", () => {
  test("keep a firing until a post leaves none out, or has resolved", () => {
    const hidden = see({}, { hidden: "firing" });
    expect(stands(hidden)).toBe(true);
    expect(stands(see(hidden, { resolved: [replica("a")] }))).toBe(false);
    expect(stands(see(hidden, { hidden: "resolved" }))).toBe(false);
    expect(stands(see(hidden, { firing: [replica("a")] }))).toBe(true);
  });

  test("end with their group, and those that were told with them", () => {
    const firings = see({}, { firing: replicas(5), hidden: "firing" });
    expect(see(firings, { resolved: replicas(2), hidden: "resolved" })).toEqual({});
  });
});

test("of many alerts, as many as there may be are remembered one by one, and the others as one", () => {
  const firings = see({}, { firing: replicas(1000) });
  expect(Object.keys(firings[KEY]?.replicas ?? {})).toHaveLength(17);
  const left = see(firings, { firing: replicas(1000).slice(16), resolved: replicas(16) });
  expect(Object.keys(left[KEY]?.replicas ?? {})).toHaveLength(17);
  expect(see(left, { resolved: replicas(1000) })).toEqual({});
});

test("the largest record that there can be fits in a message of the bus", () => {
  let firings: FiringsState = {};
  const now = Date.now();
  for (let index = 0; index < 4 * 65; index += 1)
    firings = see(
      firings,
      { firing: replicas(50) },
      now,
      firingKey("SCBEGCMFailureRate", "p".repeat(60) + index),
    );
  expect(Buffer.byteLength(JSON.stringify(firings))).toBeLessThan(256 * 1024);
});

test("a repetition is not stored before an eighth of the time to forget has passed", () => {
  const firings = see({}, { firing: [replica("a")] }, 0);
  expect(see(firings, { firing: [replica("a")] }, FORGET_MS / 8 - 1)).toBe(firings);
  expect(see(firings, { firing: [replica("a")] }, FORGET_MS / 8)).not.toBe(firings);
});

test("what resolves without having fired is not stored", () => {
  const firings = see({}, { firing: [replica("a")] });
  expect(see(firings, { resolved: [replica("z")] })).toBe(firings);
  expect(applySightings(firings, new Map(), at(1000))).toBe(firings);
});

test("what has begun and what has ended is told apart from what goes on and what was forgotten", () => {
  const [one, two, old] = ["openai", "xai", "groq"].map((it) => firingKey("SCBEPhaseSkew", it)) as [
    string,
    string,
    string,
  ];
  const before = {
    [one]: { since: 0, replicas: { a: FORGET_MS } },
    [old]: { since: 0, replicas: { a: 0 } },
  };
  const after = { [two]: { since: 0, replicas: { a: FORGET_MS } } };
  expect(compareFirings(before, after, at(FORGET_MS))).toEqual({ begun: [two], ended: [one] });
});

test("one that is cleared stands no more, and one that does not stand cannot be cleared", () => {
  const firings = see({}, { firing: [replica("a")] });
  expect(withoutFiring(firings, KEY, at(1000))).toEqual({});
  expect(withoutFiring(firings, firingKey("SCBEPhaseSkew", undefined), at(1000))).toBe(firings);
});

test("those that stand are shown, the oldest first, with when each is forgotten", () => {
  let firings = see({}, { firing: [replica("a")] }, 2000);
  firings = see(firings, { hidden: "firing" }, 1000, firingKey("SCBENonceReuse", undefined));
  expect(listFirings(firings, at(3000))).toEqual([
    {
      alertname: "SCBENonceReuse",
      provider: null,
      since: "1970-01-01T00:00:01.000Z",
      last_told: "1970-01-01T00:00:01.000Z",
      forgotten_at: "1970-01-01T00:02:01.000Z",
    },
    {
      alertname: "SCBEPhaseSkew",
      provider: "xai",
      since: "1970-01-01T00:00:02.000Z",
      last_told: "1970-01-01T00:00:02.000Z",
      forgotten_at: "1970-01-01T00:02:02.000Z",
    },
  ]);
  expect(listFirings(firings, at(1000 + FORGET_MS))).toHaveLength(1);
});
