import { execFile } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createTempDir, startProcess } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type System, startSystem } from "../kit/system.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const QUICKSTART = join(ROOT, "examples", "quickstart");
/** Majors of Node that the packages are for; 26 is tried. */
const NODES = [22, 24, 26];
/** What a client must not bring: servers, other services' drivers, an SDK of traces. */
const FOREIGN = ["fastify", "ioredis", "@aws-sdk", "@opentelemetry/sdk-node", "pino", "prom-client"];

const stack = new AsyncDisposableStack();
/** A folder outside the repository, with both packages installed from their tarballs. */
let project: string;
let system: System;

const run = promisify(execFile);
const nodeOf = (major: number): string => join(project, "node_modules", `node-${major}`, "bin", "node");
/** In the project, with an empty home. */
const inProject = (program: string, args: readonly string[]) =>
  run(program, args, { cwd: project, env: { ...process.env, HOME: join(project, "home") } });

beforeAll(async () => {
  system = stack.use(await startSystem({ redis: false, envelope: false }));
  const dir = stack.adopt(createTempDir(), (it) => it[Symbol.dispose]());
  project = dir.path;
  const out = join(project, "tarballs");
  const { stdout } = await run(process.execPath, ["scripts/pack.ts", "--out", out, "--json"], { cwd: ROOT });
  const tarballs = (JSON.parse(stdout) as { tarball: string }[]).map(({ tarball }) => tarball);
  for (const file of readdirSync(QUICKSTART).filter((name) => /\.(js|ts)$|^tsconfig/.test(name)))
    cpSync(join(QUICKSTART, file), join(project, file));
  await inProject("npm", ["init", "--yes", "--init-type=module"]);
  await inProject("npm", ["install", "--no-audit", "--no-fund", ...tarballs]);
}, 240_000);
afterAll(() => stack.disposeAsync());

test("the client brings no server, no driver of a service and no SDK of traces", () => {
  const found = FOREIGN.filter((name) => existsSync(join(project, "node_modules", name)));
  expect(found).toEqual([]);
});

test("a TypeScript program checks under strict, with the declarations of the packages checked, too", async () => {
  await inProject("npm", ["install", "--no-audit", "--no-fund", "typescript@5.9", "@types/node@22"]);
  const options = JSON.parse(readFileSync(join(project, "tsconfig.json"), "utf8")).compilerOptions;
  expect(options).toMatchObject({ strict: true, skipLibCheck: false });
  await inProject(join(project, "node_modules", ".bin", "tsc"), ["--noEmit"]);
}, 120_000);

test.each(NODES)(
  "an orchestrator and a gateway in JavaScript answer each other on Node %i",
  async (major) => {
    const node = `node-${major}@npm:node-linux-${process.arch}@${major}`;
    await inProject("npm", ["install", "--no-audit", "--no-fund", node]);
    const start = (file: string, user: string) =>
      startProcess(nodeOf(major), [file, "openai"], {
        cwd: project,
        bareEnv: true,
        env: system.environment(user),
      });
    await using gateway = start("gateway.js", "gateway-openai");
    await gateway.output(/gateway of openai is serving/, { timeoutMs: 30_000 });
    await using orchestrator = start("orchestrator.js", "orchestrator");
    expect(await orchestrator.exited).toEqual({ code: 0, signal: null });
    expect(JSON.parse(orchestrator.stdout)).toEqual({ messages: [{ role: "user", content: "Hello" }] });
  },
  120_000,
);
