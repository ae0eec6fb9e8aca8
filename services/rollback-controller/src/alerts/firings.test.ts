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
const isOn = (firings: FiringsState, now = 1000): boolean => isActive(firings, KEY, at(now));

describe("a firing", () => {
  test("is active from its first alert until the last one has resolved, in any order of arrival", () => {
    let firings = see({}, { firing: [replica("a")] });
    firings = see(firings, { firing: [replica("b")] });
    firings = see(firings, { resolved: [replica("a")] });
    expect(isOn(firings)).toBe(true);
    firings = see(firings, { resolved: [replica("a")] });
    expect(isOn(firings)).toBe(true);
    firings = see(firings, { resolved: [replica("b")] });
    expect(firings).toEqual({});
  });

  test("does not end with a resolved alert of another firing", () => {
    const firings = see({}, { firing: [replica("a")] });
    const other = see(firings, { resolved: [replica("a")] }, 1000, firingKey("SCBEPhaseSkew", "openai"));
    expect(isOn(other)).toBe(true);
    expect(isOn(see(firings, { resolved: [replica("z")] }))).toBe(true);
  });

  test("is active if a post has one resolved and one firing alert of it", () => {
    const firings = see({}, { firing: [replica("a"), replica("b")] });
    expect(isOn(see(firings, { firing: [replica("b")], resolved: [replica("a")] }))).toBe(true);
  });

  test("is forgotten if it is not reported for the time to forget, and then begins anew", () => {
    const firings = see({}, { firing: [replica("a")] }, 1000);
    expect([isOn(firings, 1000 + FORGET_MS - 1), isOn(firings, 1000 + FORGET_MS)]).toEqual([true, false]);
    const again = see(firings, { firing: [replica("a")] }, 1000 + FORGET_MS);
    expect(again[KEY]?.since).toBe(1000 + FORGET_MS);
  });

  test("is active as long as it is reported, since its first time", () => {
    let firings: FiringsState = {};
    for (let now = 0; now <= 10 * FORGET_MS; now += FORGET_MS / 2) {
      firings = see(firings, { firing: [replica("a")] }, now);
      expect(isOn(firings, now + FORGET_MS / 2)).toBe(true);
    }
    expect(firings[KEY]?.since).toBe(0);
  });

  test("is not kept by an alert that is no longer reported", () => {
    let firings = see({}, { firing: [replica("gone"), replica("b")] }, 0);
    firings = see(firings, { firing: [replica("b")] }, FORGET_MS - 1);
    firings = see(firings, { resolved: [replica("b")] }, FORGET_MS);
    expect(isOn(firings, FORGET_MS)).toBe(false);
  });

  test("with a time far ahead is ignored", () => {
    const firings = see({}, { firing: [replica("a")] }, 10_000_000);
    expect([isOn(firings, 10_000_000 - 59_999), isOn(firings, 0)]).toEqual([true, false]);
  });
});

describe("alerts that a post left out", () => {
  test("keep a firing active until a post leaves none out, or is resolved", () => {
    const hidden = see({}, { hidden: "firing" });
    expect(isOn(hidden)).toBe(true);
    expect(isOn(see(hidden, { resolved: [replica("a")] }))).toBe(false);
    expect(isOn(see(hidden, { hidden: "resolved" }))).toBe(false);
    expect(isOn(see(hidden, { firing: [replica("a")] }))).toBe(true);
  });

  test("end with their group, together with its reported alerts", () => {
    const firings = see({}, { firing: replicas(5), hidden: "firing" });
    expect(see(firings, { resolved: replicas(2), hidden: "resolved" })).toEqual({});
  });
});

test("of many alerts, a bounded number is remembered one by one, and the others as one", () => {
  const firings = see({}, { firing: replicas(1000) });
  expect(Object.keys(firings[KEY]?.replicas ?? {})).toHaveLength(17);
  const left = see(firings, { firing: replicas(1000).slice(16), resolved: replicas(16) });
  expect(Object.keys(left[KEY]?.replicas ?? {})).toHaveLength(17);
  expect(see(left, { resolved: replicas(1000) })).toEqual({});
});

test("the largest possible record fits in a message of the bus", () => {
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

test("an alert that resolves without having fired is not stored", () => {
  const firings = see({}, { firing: [replica("a")] });
  expect(see(firings, { resolved: [replica("z")] })).toBe(firings);
  expect(applySightings(firings, new Map(), at(1000))).toBe(firings);
});

test("firings that began or ended are distinguished from continuing and forgotten ones", () => {
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

test("a cleared firing is no longer active, and an inactive one cannot be cleared", () => {
  const firings = see({}, { firing: [replica("a")] });
  expect(withoutFiring(firings, KEY, at(1000))).toEqual({});
  expect(withoutFiring(firings, firingKey("SCBEPhaseSkew", undefined), at(1000))).toBe(firings);
});

test("active firings are listed, the oldest first, with the time when each is forgotten", () => {
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
