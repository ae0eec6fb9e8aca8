import { describe, expect, it } from "vitest";
import { createReadiness } from "./readiness.ts";

function readinessAt(start = 1000) {
  const clock = { at: start, now: () => clock.at, monotonic: () => clock.at };
  const readiness = createReadiness(clock);
  const heard: boolean[] = [];
  const subscription = readiness.onChange((ready) => void heard.push(ready));
  return { clock, readiness, heard, subscription };
}

describe("readiness", () => {
  it("is true while nothing is declared, and false from the first declaration on", () => {
    const { readiness, heard } = readinessAt();
    expect(readiness.ready).toBe(true);
    readiness.declare("nats");
    expect(readiness.ready).toBe(false);
    expect(heard).toEqual([false]);
    expect(readiness.report()).toEqual([{ name: "nats", ok: false, reason: "not yet known", since: 1000 }]);
  });

  it("is true exactly while every dependency is available, and notifies of each change once", () => {
    const { readiness, heard } = readinessAt();
    readiness.declare("nats");
    readiness.declare("store");
    readiness.set("nats", { ok: true });
    readiness.set("store", { ok: true });
    readiness.set("store", { ok: true });
    readiness.set("nats", { ok: false, reason: "down" });
    readiness.set("store", { ok: false, reason: "down too" });
    readiness.set("nats", { ok: true });
    readiness.set("store", { ok: true });
    expect(heard).toEqual([false, true, false, true]);
  });

  it("keeps the time of the last change of state, not of reason", () => {
    const { readiness, clock } = readinessAt();
    readiness.set("nats", { ok: false, reason: "one" });
    clock.at = 2000;
    readiness.set("nats", { ok: false, reason: "another" });
    expect(readiness.report()).toEqual([{ name: "nats", ok: false, reason: "another", since: 1000 }]);
    clock.at = 3000;
    readiness.set("nats", { ok: true, note: "slow" });
    expect(readiness.report()).toEqual([{ name: "nats", ok: true, note: "slow", since: 3000 }]);
  });

  it("keeps the state of a dependency that is declared again", () => {
    const { readiness } = readinessAt();
    readiness.set("nats", { ok: true });
    readiness.declare("nats");
    expect(readiness.ready).toBe(true);
  });

  it("reports in the order of declaration", () => {
    const { readiness } = readinessAt();
    for (const name of ["b", "a", "c"]) readiness.declare(name);
    readiness.set("a", { ok: true });
    expect(readiness.report().map(({ name }) => name)).toEqual(["b", "a", "c"]);
  });

  it("no longer notifies a disposed listener", () => {
    const { readiness, heard, subscription } = readinessAt();
    subscription[Symbol.dispose]();
    readiness.declare("nats");
    expect(heard).toEqual([]);
  });

  it("has changed already when a listener runs", () => {
    const { readiness } = readinessAt();
    const seen: boolean[] = [];
    readiness.onChange(() => void seen.push(readiness.ready));
    readiness.declare("nats");
    readiness.set("nats", { ok: true });
    expect(seen).toEqual([false, true]);
  });
});
