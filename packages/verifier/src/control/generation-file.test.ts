import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { collectLogs, createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GenerationFile } from "./generation-file.ts";

let dir: TempDir;
let path: string;
beforeEach(() => {
  dir = createTempDir();
  path = join(dir.path, "control-generation.json");
});
afterEach(() => dir[Symbol.dispose]());

const logs = collectLogs();
const file = (env: "dev" | "prod" = "dev", at = dir.path): GenerationFile =>
  new GenerationFile({ dir: at, env, log: logs.log });

async function keep(...generations: number[]): Promise<void> {
  await using kept = file();
  for (const generation of generations) kept.raise(generation);
}

test("the next start reads the highest generation, and the folder holds no other file", async () => {
  expect(file().atStart).toBe(0);
  await keep(5, 9, 7);
  await keep(3);
  expect(file().atStart).toBe(9);
  expect(readdirSync(dir.path)).toEqual(["control-generation.json"]);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ v: 1, env: "dev", generation: 9 });
});

test("a missing folder is created, for its owner only", () => {
  const made = join(dir.path, "a", "b");
  expect(file("dev", made).atStart).toBe(0);
  expect(statSync(made).mode & 0o777).toBe(0o700);
});

test("of two processes in one folder, the one that is behind does not lower the generation", async () => {
  await using behind = file();
  await keep(9);
  behind.raise(4);
  await behind[Symbol.asyncDispose]();
  expect(file().atStart).toBe(9);
});

test.each([
  ["is not JSON", "{"],
  ["holds no number", '{"v":1,"env":"dev","generation":"9"}'],
  ["is empty", ""],
])("a file that %s stops the start, with advice", (_, text) => {
  writeFileSync(path, text);
  expect(() => file()).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringContaining("delete it") }),
  );
});

test("a file of another environment is refused", async () => {
  await keep(9);
  expect(() => file("prod")).toThrow(/belongs to environment dev/);
});

test("a file in place of the folder is refused, with the variable's name", () => {
  writeFileSync(path, "");
  expect(() => file("dev", path)).toThrow(/SCBE_STATE_DIR/);
});

test("a folder or file that other users can write is refused, with advice", async () => {
  const refused = expect.objectContaining({
    code: "BAD_REQUEST",
    message: expect.stringMatching(/^SCBE_STATE_DIR: .*can be changed by other users.*chmod go-w/),
  });
  await keep(9);
  chmodSync(path, 0o666);
  expect(() => file()).toThrow(refused);
  chmodSync(path, 0o600);
  chmodSync(dir.path, 0o777);
  expect(() => file()).toThrow(refused);
});

test("a generation that cannot be written is logged once, and later ones are tried", async () => {
  const kept = file();
  rmSync(dir.path, { recursive: true });
  for (const generation of [1, 2]) {
    kept.raise(generation);
    await kept[Symbol.asyncDispose]();
  }
  expect(logs.lines.filter(({ msg }) => msg === "the control generation cannot be stored")).toHaveLength(1);
  mkdirSync(dir.path);
  kept.raise(3);
  await kept[Symbol.asyncDispose]();
  expect(file().atStart).toBe(3);
});
