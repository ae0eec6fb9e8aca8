import type { SessionStart } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { MODEL, REQUEST_ID, WINDOW_SECONDS } from "../test/craft.ts";
import { subkeysOf, TestClock, TestKeys } from "../test/fixtures.ts";
import type { SealingObserver } from "./ports.ts";
import { Sealer, type SealerLimits } from "./sealer.ts";

const REQUEST = {
  provider: "openai",
  intent: "chat",
  model: MODEL,
  requestId: REQUEST_ID,
  body: Buffer.from("{}"),
};
const RESPONSE = {
  request: {
    header: { provider: "openai", intent: "chat", model: MODEL, request_id: REQUEST_ID },
    hash: Buffer.alloc(32, 7),
  },
  body: REQUEST.body,
};

/** A sealer, its ports, and its reports. */
function setup(limits: Partial<SealerLimits> = {}) {
  const clock = new TestClock();
  const keys = new TestKeys(subkeysOf());
  let epoch = Buffer.alloc(16, 1);
  const starts: SessionStart[] = [];
  const sealings: Parameters<SealingObserver["sealed"]>[0][] = [];
  const observer: SealingObserver = {
    sealed: (facts) => sealings.push(facts),
    started: ({ why }) => starts.push(why),
  };
  const ports = { keys, epochs: { current: () => epoch }, clock, observer };
  const sealer = new Sealer(ports, {
    windowSeconds: WINDOW_SECONDS,
    counterLimit: 2 ** 32 - 1,
    ...limits,
  });
  return {
    sealer,
    clock,
    starts,
    sealings,
    renewEpoch: () => {
      epoch = Buffer.alloc(16, 2);
    },
    setWallClock: (byMs: number) => {
      clock.nowMs += byMs;
    },
    hold: (...held: ReturnType<typeof subkeysOf>[]) => {
      keys.held = held;
    },
  };
}

describe("the observer gets the reason of each session start", () => {
  type World = ReturnType<typeof setup>;
  test.each<[SessionStart, Partial<SealerLimits>, (world: World) => void]>([
    ["counter", { counterLimit: 1 }, () => undefined],
    ["bytes", { byteBudget: 1 }, () => undefined],
    ["age", {}, ({ clock }) => clock.pass(WINDOW_SECONDS * 1000)],
    ["clock", {}, ({ setWallClock }) => setWallClock(1001)],
    ["epoch", {}, ({ renewEpoch }) => renewEpoch()],
    ["key", {}, ({ hold }) => hold(subkeysOf({ kid: "k2" }))],
  ])("%s", (why, limits, change) => {
    const world = setup(limits);
    world.sealer.sealRequest(REQUEST);
    change(world);
    world.sealer.sealRequest(REQUEST);
    expect(world.starts).toEqual(["first", why]);
  });

  test("and nothing more of a session that continues", () => {
    const { sealer, starts } = setup();
    for (let count = 0; count < 3; count += 1) sealer.sealRequest(REQUEST);
    sealer.sealResponse(RESPONSE);
    expect(starts).toEqual(["first", "first"]);
  });
});

test("the observer gets phase, provider and bytes of each envelope, and nothing of a failed one", () => {
  const { sealer, sealings } = setup();
  const { bytes } = sealer.sealRequest(REQUEST);
  const response = sealer.sealResponse(RESPONSE);
  expect(() => sealer.sealRequest({ ...REQUEST, model: "" })).toThrow();
  expect(sealings).toEqual([
    { phase: "request", provider: "openai", ms: 0, bytes: bytes.length },
    { phase: "response", provider: "openai", ms: 0, bytes: response.bytes.length },
  ]);
});

describe("sessions in use", () => {
  test("report the used part of each budget", () => {
    const { sealer, clock } = setup({ counterLimit: 4, byteBudget: 100_000 });
    const { bytes } = sealer.sealRequest(REQUEST);
    clock.pass((WINDOW_SECONDS * 1000) / 2);
    expect(sealer.sessionsInUse()).toEqual([
      {
        phase: "request",
        provider: "openai",
        used: { messages: 0.25, bytes: bytes.length / 100_000, age: 0.5 },
      },
    ]);
  });

  test.each<[string, (world: ReturnType<typeof setup>) => void]>([
    ["its age", ({ clock }) => clock.pass(WINDOW_SECONDS * 1000)],
    ["a new epoch", ({ renewEpoch }) => renewEpoch()],
    ["its key's withdrawal", ({ hold }) => hold()],
    ["another active key", ({ hold }) => hold(subkeysOf({ kid: "k2" }), subkeysOf())],
  ])("end after %s", (_what, change) => {
    const world = setup();
    world.sealer.sealRequest(REQUEST);
    expect(world.sealer.sessionsInUse()).toHaveLength(1);
    change(world);
    expect(world.sealer.sessionsInUse()).toEqual([]);
  });
});
