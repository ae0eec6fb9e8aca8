import { describe, expect, it } from "vitest";
import { createReadiness } from "./readiness.ts";

function readinessAt(start = 1000) {
  const clock = { at: start, now: () => clock.at, monotonic: () => clock.at };
  const readiness = createReadiness(clock);
  const heard: boolean[] = [];
  const listening = readiness.onChange((ready) => void heard.push(ready));
  return { clock, readiness, heard, listening };
}

describe("readiness", () => {
  it("is there while nothing is declared, and not from the first declaration on", () => {
    const { readiness, heard } = readinessAt();
    expect(readiness.ready).toBe(true);
    readiness.declare("nats");
    expect(readiness.ready).toBe(false);
    expect(heard).toEqual([false]);
    expect(readiness.report()).toEqual([{ name: "nats", ok: false, reason: "not yet known", since: 1000 }]);
  });

  it("is there exactly while every dependency is, and tells each change once", () => {
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

  it("keeps the time of the last change of a state, not of a reason", () => {
    const { readiness, clock } = readinessAt();
    readiness.set("nats", { ok: false, reason: "one" });
    clock.at = 2000;
    readiness.set("nats", { ok: false, reason: "another" });
    expect(readiness.report()).toEqual([{ name: "nats", ok: false, reason: "another", since: 1000 }]);
    clock.at = 3000;
    readiness.set("nats", { ok: true, note: "slow" });
    expect(readiness.report()).toEqual([{ name: "nats", ok: true, note: "slow", since: 3000 }]);
  });

  it("keeps what is known of a dependency that is declared again", () => {
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

  it("tells a listener that was disposed of nothing more", () => {
    const { readiness, heard, listening } = readinessAt();
    listening[Symbol.dispose]();
    readiness.declare("nats");
    expect(heard).toEqual([]);
  });

  it("has changed already when a listener hears of it", () => {
    const { readiness } = readinessAt();
    const seen: boolean[] = [];
    readiness.onChange(() => void seen.push(readiness.ready));
    readiness.declare("nats");
    readiness.set("nats", { ok: true });
    expect(seen).toEqual([false, true]);
  });
});
