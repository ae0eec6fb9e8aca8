import { describe, expect, test } from "vitest";
import type { Audience, VerifierReport } from "../ports.ts";
import { viewUsers } from "./confirmation.ts";

const report = (
  name: string,
  state: VerifierReport["state"],
  generation: number | undefined = 1,
): VerifierReport => ({ name, state, generation, ageMs: 1, permitsFallback: true });
const all = (expected: readonly string[] = [], crowded: readonly string[] = []): Audience => ({
  ...{ hears: "all", expected, crowded, unnamed: [], recalls: true },
});

describe("a kill is confirmed", () => {
  test("when every verifier of every user holds it; a user without verifiers is listed, and is not waited for", () => {
    const reports = [report("a", "converged"), report("a", "converged"), report("b", "converged")];
    expect(viewUsers(reports, all(["a", "b", "c"]))).toEqual({
      confirmed: true,
      hears: "all",
      ...{ converged: 2, behind: 0, silent: 0, absent: 1, unknown: 0, left_off: 0 },
      by_name: {
        c: { state: "absent", total: 0, converged: 0, behind: 0, stale: 0 },
        a: { state: "converged", total: 2, converged: 2, behind: 0, stale: 0 },
        b: { state: "converged", total: 1, converged: 1, behind: 0, stale: 0 },
      },
    });
  });

  test("when no verifier runs at all", () => {
    expect(viewUsers([], all(["a"]))).toMatchObject({ confirmed: true, absent: 1 });
  });

  test("while starting verifiers hold nothing, because they seal nothing", () => {
    const starting: VerifierReport = { ...report("a", "behind"), generation: undefined };
    expect(viewUsers([starting, report("b", "converged")], all(["a", "b"]))).toMatchObject({
      confirmed: true,
      by_name: { a: { state: "absent", total: 1 } },
    });
    const hides = viewUsers([starting, report("a", "stale")], all(["a"]));
    expect(hides).toMatchObject({ confirmed: false, by_name: { a: { state: "silent" } } });
  });
});

describe("a kill is not confirmed", () => {
  const CASES: readonly [string, VerifierReport["state"], string][] = [
    ["holds something else", "behind", "behind"],
    ["is silent, and may be cut off", "stale", "silent"],
  ];
  test.each(CASES)(
    "while one verifier %s: its user is named, and hides no other's confirmation",
    (_, state, shown) => {
      const reports = [report("a", "converged"), report("a", state), report("b", "converged")];
      const { confirmed, by_name } = viewUsers(reports, all(["a", "b"]));
      expect([confirmed, by_name.a?.state, by_name.b?.state]).toEqual([false, shown, "converged"]);
    },
  );

  test("for a user that has more verifiers than are counted", () => {
    const { confirmed, by_name } = viewUsers([report("a", "converged")], all(["a"], ["a"]));
    expect([confirmed, by_name.a?.state]).toEqual([false, "behind"]);
  });

  test("for a user with more verifiers than the previous leader could name", () => {
    const { confirmed, by_name } = viewUsers([report("a", "converged")], { ...all(["a"]), unnamed: ["a"] });
    expect([confirmed, by_name.a?.state]).toEqual([false, "silent"]);
  });

  test("while a verifier that another controller heard is silent", () => {
    const silent = { ...report("a", "stale"), generation: undefined };
    expect(viewUsers([silent], all(["a"]))).toMatchObject({ confirmed: false, silent: 1 });
  });

  test("while the verifiers that earlier leaders heard are unknown: only the states behind and silent are certain", () => {
    const reports = [report("a", "converged"), report("b", "behind"), report("c", "stale")];
    const users = viewUsers(reports, { ...all(["a", "b", "c", "d"]), recalls: false });
    expect(users).toMatchObject({
      confirmed: false,
      converged: 0,
      behind: 1,
      silent: 1,
      absent: 0,
      unknown: 2,
    });
    expect([users.by_name.a, users.by_name.d]).toMatchObject([
      { state: "unknown", converged: 1 },
      { state: "unknown", total: 0 },
    ]);
  });

  test("by a controller that has just begun to lead, or does not lead", () => {
    const of = (hears: Audience["hears"]) => viewUsers([report("a", "converged")], { ...all(["a"]), hears });
    expect(of("some")).toMatchObject({ confirmed: false, converged: 1 });
    expect(of("none")).toMatchObject({ confirmed: false, converged: 0, by_name: {} });
  });
});

test("of more than a thousand users, those whose verifiers have not confirmed are named, and the number of the others is given", () => {
  const reports = Array.from({ length: 1200 }, (_, n) => report(`u${n}`, "converged"));
  const { by_name, left_off, converged } = viewUsers([...reports, report("z", "stale")], all());
  expect([Object.keys(by_name).length, left_off, converged]).toEqual([1000, 201, 1200]);
  expect(Object.keys(by_name)[0]).toBe("z");
});
