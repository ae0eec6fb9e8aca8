import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type NodeProgram, nodeProgram, OPS } from "./node-program.ts";
import { Fleet } from "./supervisor.ts";
import { createTempDir, type TempDir } from "./temp-dir.ts";

const { signal } = new AbortController();
/** Answers `/readyz` as services do, and `/name` with its name; binds the port of its variable. */
const PROGRAM = `
  const name = process.env.NAME;
  const server = require("node:http").createServer((request, response) => {
    if (request.url === "/name") response.end(name);
    else response.end(JSON.stringify({ ready: true, dependencies: [] }));
  });
  server.listen(Number(process.env.SCBE_OPS_PORT), "127.0.0.1", () => {
    process.send({ scbe: "listening", on: "ops", port: server.address().port });
  });
  server.on("error", (error) => { console.log(error.message); process.exit(1); });
  process.on("disconnect", () => process.exit());`;

let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
  mkdirSync(join(dir.path, "programs"));
  writeFileSync(join(dir.path, "programs", "main.cjs"), PROGRAM);
});
afterEach(() => dir[Symbol.dispose]());

function program(name: string, port = 0): NodeProgram {
  const listeners = { [OPS]: { variable: "SCBE_OPS_PORT", port, startVariable: "SCBE_KEYRING_OPS_PORT" } };
  const env = () => ({ NAME: name });
  const logFile = join(dir.path, `${name}.log`);
  return nodeProgram({ name, main: "programs/main.cjs", root: dir.path, logFile, env, listeners });
}

async function nameAt(url: string): Promise<string> {
  return (await fetch(`${url}/name`)).text();
}

test("many programs that start at once are each found at the address that they report", async () => {
  const programs = Array.from({ length: 8 }, (_, number) => program(`part-${number}`));
  await using fleet = new Fleet();
  expect(programs.map(({ url }) => url())).toEqual(Array(8).fill(""));
  await fleet.start(
    programs.map((one) => one.program),
    25_000,
    signal,
  );
  await Promise.all(programs.map(({ listening }) => listening));
  expect(await Promise.all(programs.map(({ url }) => nameAt(url())))).toEqual(
    programs.map((one) => one.program.name),
  );
});

test("a program whose port another one has is not ready by the other's answers, and its error names the variable of the port", async () => {
  const other = program("other");
  await using fleet = new Fleet();
  await fleet.start([other.program], 25_000, signal);
  const { port } = new URL(other.url());
  const late = program("late", Number(port));
  await using lateFleet = new Fleet();
  await expect(lateFleet.start([late.program], 25_000, signal)).rejects.toThrow(
    new RegExp(`late does not start[\\s\\S]*EADDRINUSE[\\s\\S]*SCBE_KEYRING_OPS_PORT is ${port}`),
  );
  expect(late.url()).toBe("");
});
