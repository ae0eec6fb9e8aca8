import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Program } from "./program.ts";
import { countFailures, Fleet, restartPauseMs, STEADY_MS, Supervised } from "./supervisor.ts";
import { createTempDir, type TempDir } from "./temp-dir.ts";

const NEVER = new AbortController().signal;

let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

/** A real process that runs `script`; it is ready when its log contains "ready". */
function program(name: string, script: string): Program & { log(): string } {
  const logFile = join(dir.path, `${name}.log`);
  const log = (): string => {
    try {
      return readFileSync(logFile, "utf8");
    } catch {
      return "";
    }
  };
  const command = {
    file: process.execPath,
    args: ["-e", script],
    env: {},
    onMessage: () => undefined,
    logFile,
  };
  return { name, command: async () => command, isReady: async () => log().includes("ready"), log };
}

const STAYS =
  "console.log('ready'); setInterval(() => undefined, 1000); process.on('disconnect', () => process.exit());";

describe("a supervised program", () => {
  test("is ready when its readiness check passes, and gets SIGTERM when it is disposed of", async () => {
    const stays = program(
      "stays",
      `process.on("SIGTERM", () => { console.log("told"); process.exit(); }); ${STAYS}`,
    );
    const supervised = new Supervised(stays);
    await supervised.ready;
    await supervised[Symbol.asyncDispose]();
    expect(stays.log()).toContain("told");
  });

  test("is started again when it dies", async () => {
    const [dies, stays] = [program("one", "process.exit(3)"), program("one", STAYS)];
    let runs = 0;
    const command = () => (++runs === 1 ? dies : stays).command();
    await using supervised = new Supervised({ ...stays, command });
    await supervised.ready;
    expect(runs).toBe(2);
  });

  test("that cannot start is reported with the end of its log", async () => {
    const line = '{"level":"fatal","msg":"cannot go on","err":{"message":"the port is taken"}}';
    await using supervised = new Supervised(program("fails", `console.log('${line}'); process.exit(1)`));
    await expect(supervised.ready).rejects.toThrow(
      /fails does not start \(exit code 1\)[\s\S]*fatal: cannot go on: the port is taken/,
    );
  });

  test("that is misconfigured is not started again", async () => {
    const misconfigured = program("wrong", "console.error('no URL'); process.exit(78)");
    await using supervised = new Supervised(misconfigured);
    await expect(supervised.ready).rejects.toThrow(/exit code 78[\s\S]*no URL/);
    expect(misconfigured.log()).toBe("no URL\n");
  });

  test("that does not exist is reported", async () => {
    const missing = program("missing", "");
    const command = { ...(await missing.command()), file: "/no/such/program" };
    await using supervised = new Supervised({ ...missing, command: async () => command });
    await expect(supervised.ready).rejects.toThrow("missing does not start");
  });
});

describe("programs that start together", () => {
  test("fail when one is not ready in time, with the dependency that it waits for", async () => {
    await using fleet = new Fleet();
    const there = { ...program("there", STAYS), isReady: async () => true };
    const waits = { ...program("waits", STAYS), isReady: async () => false, lacks: () => "keys: no answer" };
    const starting = fleet.start([there, waits], 300, NEVER);
    await expect(starting).rejects.toThrow(/not ready within 0.3 s:\s+waits: keys: no answer$/);
  });

  test("are no longer waited for when the start is aborted", async () => {
    await using fleet = new Fleet();
    const giveUp = new AbortController();
    const starting = fleet.start(
      [{ ...program("waits", STAYS), isReady: async () => false }],
      60_000,
      giveUp.signal,
    );
    giveUp.abort();
    await expect(starting).rejects.toThrow(/abort/i);
  });

  test("cannot be started after the stop", async () => {
    const fleet = new Fleet();
    await fleet[Symbol.asyncDispose]();
    await expect(fleet.start([program("late", STAYS)], 1000, NEVER)).rejects.toThrow("told to stop");
  });
});

describe("the pause before a restart", () => {
  test("doubles from a quarter of a second up to ten seconds", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 100, 5000].map(restartPauseMs)).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000,
    ]);
  });
});

describe("failures in a row", () => {
  test("are counted while every run is short", () => {
    expect(countFailures(0, 10)).toBe(1);
    expect(countFailures(4, STEADY_MS - 1)).toBe(5);
  });

  test("restart at one after a long run", () => {
    expect(countFailures(4, STEADY_MS)).toBe(1);
  });
});
