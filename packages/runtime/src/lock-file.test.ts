import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTempDir, type RunningProcess, startProcess, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takeLock } from "./lock-file.mjs";

const MODULE = fileURLToPath(new URL("lock-file.mjs", import.meta.url));

let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

/** Another process: it prints the result, and holds the lock until it ends or gets SIGTERM. */
function taker(folder: string): RunningProcess {
  const script = `
    import { takeLock } from ${JSON.stringify(MODULE)};
    const result = takeLock(${JSON.stringify(folder)});
    console.log(result.kind + " " + (result.pid ?? process.pid));
    process.on("SIGTERM", () => { result.release?.(); console.log("released"); });
    setInterval(() => undefined, 1000);`;
  return startProcess(process.execPath, ["--input-type=module", "-e", script]);
}

const ANSWER = /(taken|held) (\d+)/;

describe("the lock of a folder", () => {
  test("belongs to one process; another one learns which, and changes nothing", async () => {
    await using holder = taker(dir.path);
    await holder.output(/taken/);
    expect(takeLock(dir.path)).toEqual({ kind: "held", pid: holder.pid });
    expect(takeLock(dir.path)).toEqual({ kind: "held", pid: holder.pid });
  });

  test("is free after its release, and can be taken any number of times", async () => {
    for (let times = 0; times < 3; times += 1) {
      const lock = takeLock(dir.path);
      expect(takeLock(dir.path)).toEqual({ kind: "held", pid: process.pid });
      if (lock.kind === "taken") lock.release();
    }
    expect(readdirSync(dir.path)).toEqual(["lock.3"]);
  });

  test("of a process that was killed is taken over", async () => {
    await using holder = taker(dir.path);
    await holder.output(/taken/);
    await holder.kill();
    expect(takeLock(dir.path).kind).toBe("taken");
    expect(readdirSync(dir.path)).toEqual(["lock.2"]);
  });

  test.skipIf(process.platform !== "linux")("of a process whose id was reused is taken over", () => {
    const former = JSON.stringify({ pid: process.pid, started: "another start" });
    writeFileSync(join(dir.path, "lock.1"), former);
    expect(takeLock(dir.path).kind).toBe("taken");
  });

  test("that is damaged, as after a crash of the machine, is taken over", () => {
    writeFileSync(join(dir.path, "lock.7"), '{"pid":');
    expect(takeLock(dir.path).kind).toBe("taken");
    expect(readdirSync(dir.path)).toEqual(["lock.8"]);
  });

  test("whose folder was removed can be released", () => {
    const lock = takeLock(dir.path);
    dir[Symbol.dispose]();
    expect(() => lock.kind === "taken" && lock.release()).not.toThrow();
  });

  test("that another process took after its file was removed is not released by the former holder", async () => {
    const former = takeLock(dir.path);
    rmSync(join(dir.path, "lock.1"));
    await using holder = taker(dir.path);
    await holder.output(/taken/);
    if (former.kind === "taken") former.release();
    expect(takeLock(dir.path)).toEqual({ kind: "held", pid: holder.pid });
  });
});

describe("of many processes that compete for it", () => {
  test.each<[string, () => void]>([
    ["a new folder's", () => undefined],
    [
      "one of a process that has ended",
      () => writeFileSync(join(dir.path, "lock.5"), '{"pid":999999999,"started":"never"}'),
    ],
  ])("exactly one gets it: %s", async (_case, prepare) => {
    prepare();
    const takers = Array.from({ length: 8 }, () => taker(dir.path));
    try {
      const answers = await Promise.all(takers.map((one) => one.output(ANSWER, { timeoutMs: 25_000 })));
      const taken = answers.filter(([, kind]) => kind === "taken");
      expect(taken).toHaveLength(1);
      expect(new Set(answers.map(([, , pid]) => pid))).toEqual(new Set([taken[0]?.[2]]));
      expect(readdirSync(dir.path)).toHaveLength(1);
      const [file = ""] = readdirSync(dir.path);
      expect(JSON.parse(readFileSync(join(dir.path, file), "utf8"))).toMatchObject({
        pid: Number(taken[0]?.[2]),
      });
    } finally {
      await Promise.all(takers.map((one) => one.kill()));
    }
  });
});
