import type { LeaseRequest } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { describe, expect, test } from "vitest";
import { type KnownVerifier, type Moment, NOTHING_HEARD } from "./known-verifiers.ts";
import { firstState } from "./state.ts";
import { VerifierTable } from "./verifier-table.ts";

const LEASE_MS = 5000;
const MINUTE = 60_000;
const [NEW, OLD] = ["n".repeat(43), "o".repeat(43)];
const current: ControlDocument = {
  state: { ...firstState("dev", ["openai"]), generation: 2 },
  digest: NEW,
  signed: { v: 1, payload: "", signature: "" },
};

const table = (verifiersMax = 3) => new VerifierTable({ leaseMs: LEASE_MS, verifiersMax });
const held = (digest: string): LeaseRequest["held"] => ({ generation: 1, digest });
const request = (verifier: string, digest: string | null = NEW) => ({
  ...{ verifier, fallback: false },
  held: digest === null ? null : held(digest),
});
const states = (it: VerifierTable, nowMs: number) =>
  it.reports(current, nowMs).map(({ name, state }) => `${name} ${state}`);

test("a verifier has converged, is behind, or is stale after a lease time without a request", () => {
  const it = table();
  it.note("a", request("1"), 0);
  it.note("a", request("2", OLD), 1);
  it.note("a", request("3", null), 1);
  expect(states(it, LEASE_MS)).toEqual(["a converged", "a behind", "a behind"]);
  // A verifier that holds nothing is never stale.
  expect(states(it, LEASE_MS + 2)).toEqual(["a stale", "a stale"]);
  expect(states(it, 11 * MINUTE)).toEqual([]);
});

test("the same id of another user is another verifier, and a request of one user does not change the other's verifier", () => {
  const it = table();
  it.note("a", request("1"), 0);
  it.note("b", request("1", OLD), 0);
  expect(states(it, 1)).toEqual(["a converged", "b behind"]);
  it.note("b", { ...request("1"), leaving: true }, 2);
  expect(states(it, 3)).toEqual(["a converged"]);
});

test("10,000 invented verifiers of a user take only rows of its own silent verifiers, up to its limit", () => {
  const it = table(3);
  it.note("other", request("1"), 0);
  it.note("a", request("real"), 0);
  for (let n = 0; n < 10_000; n += 1) {
    it.note("a", request(`invented-${n}`, OLD), n);
    if (n % 1000 === 0) it.note("a", request("real"), n);
    if (n % 1000 === 0) it.note("other", request("1"), n);
  }
  expect(states(it, 10_000)).toEqual(["other converged", ...rowsOf("a", 3)]);
  const its = it.reports(current, 10_000).filter(({ name, state }) => name === "a" && state === "converged");
  expect(its).toHaveLength(1);
});

function rowsOf(user: string, count: number): unknown[] {
  return Array.from({ length: count }, () => expect.stringMatching(new RegExp(`^${user} `)));
}

test("a verifier beyond the limit is not counted while all others are active, and its user counts as crowded for ten minutes", () => {
  const it = table(2);
  expect([it.note("a", request("1"), 0), it.note("a", request("2"), 1)]).toEqual([true, true]);
  expect(it.crowded(1)).toEqual([]);
  expect(it.note("a", request("3"), 2)).toBe(false);
  expect([it.crowded(9 * MINUTE), it.crowded(11 * MINUTE)]).toEqual([["a"], []]);
});

test("the longest silent verifier makes room, else one that holds nothing", () => {
  const it = table(2);
  it.note("a", request("1"), 0);
  it.note("a", request("2"), 1);
  expect(it.note("a", request("3", OLD), LEASE_MS + 1)).toBe(true);
  expect(states(it, LEASE_MS + 1)).toEqual(["a converged", "a behind"]);
  const idle = table(2);
  idle.note("a", request("1"), 0);
  idle.note("a", request("2", null), 0);
  expect(idle.note("a", request("3", OLD), 1)).toBe(true);
  expect([states(idle, 1), idle.crowded(1)]).toEqual([["a converged", "a behind"], []]);
});

test("reports only verifiers that begin to hold a document and those that leave", () => {
  let changes = 0;
  const it = table();
  it.onChange(() => (changes += 1));
  const changesOf = (change: object) => {
    const before = changes;
    it.note("a", { ...request("1"), ...change }, 0);
    return changes - before;
  };
  expect([changesOf({ held: null }), changesOf({}), changesOf({}), changesOf({ held: held(OLD) })]).toEqual([
    0, 1, 0, 0,
  ]);
  expect([changesOf({ leaving: true }), changesOf({ leaving: true })]).toEqual([1, 0]);
});

test("removed users are forgotten at once", () => {
  const it = table(1);
  it.note("a", request("1"), 0);
  it.note("b", request("1"), 0);
  it.note("b", request("2"), 0);
  it.keep((user) => user === "a");
  expect([states(it, 1), it.crowded(1)]).toEqual([["a converged"], []]);
});

describe("verifiers that another controller has heard", () => {
  const NOW = 1_796_092_873_965;
  const at = (nowMs: number): Moment => ({ nowMs, now: NOW + nowMs });
  const heard = (user: string, verifier: string, ageMs = 0, fallback = false): KnownVerifier => ({
    ...{ user, verifier, heardAt: NOW - ageMs, fallback },
  });
  const recalling = (its: KnownVerifier[], verifiersMax = 3) => {
    const it = table(verifiersMax);
    it.recall({ ...NOTHING_HEARD, heard: its }, at(0));
    return it;
  };

  test("are stale until they send a request here or leave, and are forgotten ten minutes after they were heard", () => {
    const it = recalling([
      heard("a", "1"),
      heard("b", "1"),
      heard("c", "1", MINUTE),
      heard("d", "1", 11 * MINUTE),
    ]);
    expect(states(it, 0)).toEqual(["a stale", "b stale", "c stale"]);
    it.note("a", request("1"), 1);
    it.note("b", { ...request("1"), leaving: true }, 1);
    expect(states(it, 2)).toEqual(["a converged", "c stale"]);
    expect(states(it, 9.5 * MINUTE)).toEqual(["a stale"]);
    expect(states(it, 11 * MINUTE)).toEqual([]);
  });

  test("keep their permission of fallback, and are handed on with the time at which they were heard", () => {
    const it = recalling([heard("a", "1", MINUTE, true)]);
    expect(it.reports(current, 1)).toMatchObject([
      { generation: undefined, permitsFallback: true, ageMs: MINUTE + 1 },
    ]);
    it.note("a", request("2"), 5);
    it.note("a", request("3", null), 5);
    const handedOn = [heard("a", "1", MINUTE, true), { ...heard("a", "2"), heardAt: NOW + 5 }];
    expect(it.known(at(7))).toEqual({ heard: handedOn, more: new Map() });
  });

  test("do not change a verifier that sends requests here, or has left since", () => {
    const it = table();
    it.note("a", request("1"), 0);
    it.note("a", { ...request("2"), leaving: true }, 100);
    it.recall({ ...NOTHING_HEARD, heard: [heard("a", "1", -50), heard("a", "2", -50)] }, at(200));
    expect(states(it, 200)).toEqual(["a converged"]);
    // After it was heard here it sent a request elsewhere: what it holds now is unknown.
    it.recall({ ...NOTHING_HEARD, heard: [heard("a", "1", -LEASE_MS)] }, at(LEASE_MS + 200));
    it.recall({ ...NOTHING_HEARD, heard: [heard("a", "2", -300)] }, at(LEASE_MS + 200));
    expect(states(it, LEASE_MS + 200)).toEqual(["a stale", "a stale"]);
  });

  test("count from now if their times are in the future", () => {
    const it = recalling([heard("a", "1", -5 * MINUTE)]);
    expect(states(it, 9.9 * MINUTE)).toEqual(["a stale"]);
    expect(states(it, 10.1 * MINUTE)).toEqual([]);
  });

  test("take no more than their user's rows, make room for active verifiers, and mark their user", () => {
    const it = recalling([heard("a", "1", 3), heard("a", "2", 2), heard("a", "3", 1)], 2);
    expect([states(it, 0), it.unnamed(0)]).toEqual([["a stale", "a stale"], ["a"]]);
    it.note("a", request("4"), 1);
    it.note("a", request("5"), 1);
    expect(states(it, 1)).toEqual(["a converged", "a converged"]);
    expect([it.unnamed(9.9 * MINUTE), it.unnamed(10.1 * MINUTE)]).toEqual([["a"], []]);
  });

  test("are marked for the next controller if there are more than are counted or named", () => {
    const it = table(1);
    it.recall({ ...NOTHING_HEARD, more: new Map([["b", NOW - 7]]) }, at(0));
    it.note("a", request("1"), 1);
    it.note("a", request("2"), 2);
    expect(it.known(at(3)).more).toEqual(
      new Map([
        ["b", NOW - 7],
        ["a", NOW + 2],
      ]),
    );
  });
});
