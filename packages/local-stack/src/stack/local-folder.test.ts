import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTempDir, type TempDir } from "../temp-dir.ts";
import { emptyStores, keepOrCreateKmsKey, keepOrCreateTokens, openFolder } from "./local-folder.ts";

describe("the folder of the local stack", () => {
  let dir: TempDir;
  const open = (name = "local") => openFolder(dir.path, name);
  const inside = (...names: string[]) => join(dir.path, "local", ...names);
  beforeEach(() => {
    dir = createTempDir();
  });
  afterEach(() => dir[Symbol.dispose]());

  test.each([
    ["a new one", () => undefined],
    ["an empty one", () => mkdirSync(inside(), { mode: 0o755 })],
  ])("%s is closed to other users, and can be opened again", async (_case, prepare) => {
    prepare();
    {
      using folder = open();
      await keepOrCreateKmsKey(folder);
    }
    expect(statSync(inside()).mode & 0o777).toBe(0o700);
    using again = open();
    writeFileSync(again.logFile("keyring"), "of this start");
    expect(existsSync(inside("kms.key"))).toBe(true);
  });

  test("of an earlier version is accepted", () => {
    mkdirSync(inside("logs"), { recursive: true });
    writeFileSync(inside("kms.key"), "");
    expect(() => open()[Symbol.dispose]()).not.toThrow();
  });

  test("is refused when it holds other files, and nothing in it is touched", () => {
    const theirs = join(dir.path, "theirs");
    mkdirSync(join(theirs, "logs"), { recursive: true });
    mkdirSync(join(theirs, "nats"), { mode: 0o755 });
    writeFileSync(join(theirs, "logs", "precious.log"), "");
    const before = statSync(theirs).mode;
    expect(() => open("theirs")).toThrow(/theirs is no folder of npm start.*SCBE_LOCAL_DIR/);
    expect(statSync(theirs).mode).toBe(before);
    expect(readdirSync(theirs, { recursive: true }).sort()).toEqual(["logs", "logs/precious.log", "nats"]);
  });

  test("belongs to one start at a time: the error of another one names the process, and what to do", () => {
    using _first = open();
    const problem = new RegExp(
      `another npm start, process ${process.pid}, runs on .*kill ${process.pid}.*SCBE_LOCAL_DIR`,
    );
    expect(() => open()).toThrow(problem);
  });

  test("can be opened again after it was closed, and after it was refused", () => {
    open()[Symbol.dispose]();
    chmodSync(inside("tokens"), 0o777);
    expect(() => open()).toThrow("can be changed by other users");
    chmodSync(inside("tokens"), 0o700);
    expect(() => open()[Symbol.dispose]()).not.toThrow();
  });

  // All kinds of state in it; another user could have put each of them there while the folder was open to others.
  test.each([
    "credentials",
    "credentials/orchestrator.seed",
    "kms.key",
    "logs",
    "monitoring/prometheus.yml",
    "nats/jetstream",
    "redis/redis.conf",
    "tokens/ADMIN_TOKEN",
  ])("is not opened while other users can write to its %s, and nothing in it is changed", (entry) => {
    open()[Symbol.dispose]();
    mkdirSync(inside("nats", "jetstream"), { recursive: true });
    if (!existsSync(inside(entry))) writeFileSync(inside(entry), "put there");
    chmodSync(inside(entry), 0o777);
    const before = readdirSync(inside(), { recursive: true }).sort();
    expect(() => open()).toThrow(new RegExp(`${entry} can be changed by other users.*chmod go-w`));
    expect(readdirSync(inside(), { recursive: true }).filter(isNoLock).sort()).toEqual(
      before.filter(isNoLock),
    );
  });

  test("does not write through a symbolic link into a file that other users can change", () => {
    open()[Symbol.dispose]();
    const target = join(dir.path, "target");
    writeFileSync(target, "theirs");
    chmodSync(target, 0o666);
    symlinkSync(target, inside("tokens", "ADMIN_TOKEN"));
    expect(() => open()).toThrow("target can be changed by other users");
    expect(readFileSync(target, "utf8")).toBe("theirs");
  });

  test("keeps users, tokens and key when its stores are emptied", async () => {
    {
      using folder = open();
      await keepOrCreateKmsKey(folder);
      keepOrCreateTokens(folder);
      writeFileSync(join(folder.credentials, "added-by-a-person.seed"), "");
      mkdirSync(join(folder.natsStore, "jetstream"));
    }
    const kept = ["credentials/added-by-a-person.seed", "kms.key", "tokens/ADMIN_TOKEN"];
    const before = kept.map((name) => readFileSync(inside(name), "utf8"));
    using folder = open();
    expect(emptyStores(folder)).toEqual([folder.natsStore]);
    expect(readdirSync(folder.natsStore)).toEqual([]);
    expect(kept.map((name) => readFileSync(inside(name), "utf8"))).toEqual(before);
    expect(emptyStores(folder)).toEqual([]);
  });

  test("keeps added credentials and stored data at every other start", () => {
    {
      using folder = open();
      writeFileSync(join(folder.credentials, "added-by-a-person.seed"), "kept");
      writeFileSync(join(folder.natsStore, "stream"), "kept");
    }
    using folder = open();
    expect(readFileSync(join(folder.credentials, "added-by-a-person.seed"), "utf8")).toBe("kept");
    expect(readFileSync(join(folder.natsStore, "stream"), "utf8")).toBe("kept");
  });
});

function isNoLock(name: string | Buffer): boolean {
  return !String(name).startsWith("lock.");
}
