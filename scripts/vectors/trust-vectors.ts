import { type JsonObject, jcs } from "./control-reference.ts";

type Members = JsonObject;

const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const AT = 1_767_225_612_345;
const MAX = 9_000_000_000_000_000;
const EVENT = {
  ...{ v: 1, kind: "outcome", id: ID, provider: "openai", at: AT },
  ...{ result: "ok", count: 1, latency_ms: 30_000 },
};
const LATCH = { since: AT, event: "e", n: 1 };
const TELLER = { w: 0.5, samples: 1, exclusions: 0, exclusion: null, latch: null, at: AT };
const PROVIDER = {
  ...{ tellers: {}, quorum: { needs: 1, of: 1 }, doubts: 0 },
  ...{ reuse: null, latch: null, calibration: null },
};
const CALIBRATION = { score: 0.5, reason: "seen", by: "ana", at: AT };

/** Values of the members of reports and of trust documents: at both sides of each bound. */
export function trustMessages() {
  return [...tellings(), ...documents()];
}

function tellings() {
  const events = (list: Members[]): string => jcs({ v: 1, events: list });
  const one = (name: string, ok: boolean, change: Members): object =>
    vector("told", `a telling: ${name}`, ok, events([{ ...EVENT, ...change }]));
  const integrity = { ...EVENT, kind: "integrity", cause: "bound_response_fails" };
  const { result: _result, count: _count, latency_ms: _latency, ...doubt } = integrity;
  return [
    vector("told", "a telling: no event", false, events([])),
    vector("told", "a telling: 256 events", true, events(Array.from({ length: 256 }, () => EVENT))),
    vector("told", "a telling: 257 events", false, events(Array.from({ length: 257 }, () => EVENT))),
    vector("told", "a telling: a doubt of integrity", true, events([doubt])),
    vector("told", "a telling: another cause", false, events([{ ...doubt, cause: "nonce_reuse" }])),
    vector("told", "a telling: a doubt with a result", false, events([{ ...doubt, result: "ok" }])),
    ...["result", "count", "latency_ms"].map((member) =>
      vector("told", `a telling: no ${member}`, false, events([without(EVENT, member)])),
    ),
    vector("told", "a telling: a doubt without a cause", false, events([without(doubt, "cause")])),
    one("another kind", false, { kind: "calibration" }),
    one("another result", false, { result: "fine" }),
    one("10,000 successes", true, { count: 10_000 }),
    one("10,001 successes", false, { count: 10_001 }),
    one("0 successes", false, { count: 0 }),
    one("no time at all", true, { latency_ms: 0 }),
    one("an hour", true, { latency_ms: 3_600_000 }),
    one("more than an hour", false, { latency_ms: 3_600_001 }),
    one("less than no time", false, { latency_ms: -1 }),
    one("the highest time", true, { at: MAX }),
    one("a time that is too high", false, { at: MAX + 1 }),
    one("a time below 0", false, { at: -1 }),
    one("a provider that is no name", false, { provider: "Open AI" }),
    one("a request id that is no UUID", false, { request_id: "4711" }),
  ];
}

function without(members: Members, name: string): Members {
  return Object.fromEntries(Object.entries(members).filter(([member]) => member !== name));
}

function documents() {
  const whole = (name: string, ok: boolean, change: Members): object =>
    vector(
      "trust.state",
      `a trust document: ${name}`,
      ok,
      jcs({ v: 1, stream: { created: "c", seq: 1 }, providers: {}, ...change }),
    );
  const one = (name: string, ok: boolean, change: Members): object =>
    whole(name, ok, { providers: { openai: { ...PROVIDER, ...change } } });
  const teller = (name: string, ok: boolean, change: Members): object =>
    one(name, ok, { tellers: { orchestrator: { ...TELLER, ...change } } });
  const named = (count: number): Members =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, PROVIDER]));
  const latch = { ...LATCH, cause: "nonce_reuse", tellers: [] };
  const tellers = (count: number): Members => ({
    latch: { ...latch, tellers: Array.from({ length: count }, (_, at) => `t${at}`) },
  });
  return [
    whole("no provider", true, {}),
    whole("64 providers", true, { providers: named(64) }),
    whole("65 providers", false, { providers: named(65) }),
    whole("a provider that is no name", false, { providers: { "Open AI": PROVIDER } }),
    whole("created of 64 characters", true, { stream: { created: "c".repeat(64), seq: 0 } }),
    whole("created of 65 characters", false, { stream: { created: "c".repeat(65), seq: 0 } }),
    whole("a place below 0", false, { stream: { created: "c", seq: -1 } }),
    teller("a teller", true, {}),
    one("a teller that is no name", false, { tellers: { Orchestrator: TELLER } }),
    teller("evidence below 0", false, { w: -0.5 }),
    teller("samples that are no integer", false, { samples: 0.5 }),
    teller("exclusions below 0", false, { exclusions: -1 }),
    teller("an exclusion", true, { exclusion: { since: AT, until: AT } }),
    teller("an exclusion without its end", false, { exclusion: { since: AT } }),
    teller("a latch", true, { latch: LATCH }),
    teller("a latch with a cause", false, { latch }),
    one("one teller is enough", true, { quorum: { needs: 1, of: 0 } }),
    one("two tellers are needed", true, { quorum: { needs: 2, of: 3 } }),
    one("no teller is needed", false, { quorum: { needs: 0, of: 3 } }),
    one("three tellers are needed", false, { quorum: { needs: 3, of: 3 } }),
    one("doubts below 0", false, { doubts: -1 }),
    one("a reuse", true, { reuse: LATCH }),
    one("an event of 128 characters", true, { reuse: { ...LATCH, event: "e".repeat(128) } }),
    one("an event of 129 characters", false, { reuse: { ...LATCH, event: "e".repeat(129) } }),
    one("an event without a character", false, { reuse: { ...LATCH, event: "" } }),
    one("an event with a dot", false, { reuse: { ...LATCH, event: "e.e" } }),
    one("a latch for all", true, { latch }),
    one("a latch for a response", true, { latch: { ...latch, cause: "bound_response_fails" } }),
    one("a latch of another cause", false, { latch: { ...latch, cause: "quality" } }),
    one("a latch of 8 tellers", true, tellers(8)),
    one("a latch of 9 tellers", false, tellers(9)),
    one("a calibration", true, { calibration: CALIBRATION }),
    one("a score of 0", true, { calibration: { ...CALIBRATION, score: 0 } }),
    one("a score of 1", true, { calibration: { ...CALIBRATION, score: 1 } }),
    one("a score above 1", false, { calibration: { ...CALIBRATION, score: 1.5 } }),
    one("a score below 0", false, { calibration: { ...CALIBRATION, score: -0.5 } }),
    one("no reason", false, { calibration: { ...CALIBRATION, reason: "" } }),
    one("a reason of 500 characters", true, { calibration: { ...CALIBRATION, reason: "r".repeat(500) } }),
    one("a reason of 501 characters", false, { calibration: { ...CALIBRATION, reason: "r".repeat(501) } }),
    one("no author", false, { calibration: { ...CALIBRATION, by: "" } }),
    one("a name of 128 characters", true, { calibration: { ...CALIBRATION, by: "b".repeat(128) } }),
    one("a name of 129 characters", false, { calibration: { ...CALIBRATION, by: "b".repeat(129) } }),
  ];
}

function vector(carrier: string, name: string, ok: boolean, message: string): object {
  return { name, rules: ["MJ9"], carrier, message, ok, ...(!ok && { reason: "malformed" }) };
}
