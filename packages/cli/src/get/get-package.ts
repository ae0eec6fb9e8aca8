import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { say } from "../../../../scripts/bootstrap/say.mjs";
import { binFolder, findTool, TOOLS } from "../../../../scripts/bootstrap/tools.mjs";
import { withLock } from "../../../../scripts/bootstrap/with-lock.mjs";
import type { Package } from "./packages.ts";

/**
 * Brings the missing programs of one package into `.cache/bin`; two processes at once bring them once. A program appears there whole, and
 * only after it has run once.
 * @throws Error with an advice
 */
export async function getPackage(root: string, found: Package): Promise<void> {
  await withLock(join(root, ".cache", "locks", found.tools.join("-")), () => bringMissing(root, found));
}

async function bringMissing(root: string, { tools, bring }: Package): Promise<void> {
  if (tools.every((tool) => findTool(root, tool) !== undefined)) {
    for (const tool of tools) await reportPresent(root, tool);
    return;
  }
  const drafts = join(root, ".cache", "get");
  mkdirSync(drafts, { recursive: true });
  dropAbandoned(drafts);
  const draft = mkdtempSync(join(drafts, `draft-${process.pid}-`));
  try {
    await bring(draft);
    for (const tool of tools) await moveToBin(root, draft, tool);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function reportPresent(root: string, tool: string): Promise<void> {
  const path = findTool(root, tool);
  if (path === undefined) throw new Error(`${tool} was there a moment ago`);
  say(`${tool} is there already: ${path} (${await versionOf(tool, path)})`);
}

async function moveToBin(root: string, draft: string, tool: string): Promise<void> {
  const [program = tool] = [...(TOOLS[tool]?.programs ?? [])].reverse();
  const [from, to] = [join(draft, tool), join(binFolder(root), program)];
  chmodSync(from, 0o755);
  const version = await versionOf(tool, from);
  mkdirSync(binFolder(root), { recursive: true });
  renameSync(from, to);
  say(`${tool} is here: ${to} (${version})`);
}

/** Removes drafts of processes that were killed. */
function dropAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^draft-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** The arguments that print a version; default `--version`. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = { jaeger: ["version"] };

/**
 * Runs a program once.
 * @returns its version, from its output
 * @throws Error with its output when it does not run
 */
async function versionOf(tool: string, path: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(path, ARGUMENTS[tool] ?? ["--version"], { timeout: TIMEOUT_MS });
    const printed = firstLine(stdout) || firstLine(stderr);
    // A program that was built from a module has no version, and prints JSON.
    return printed === "" || printed.startsWith("{") ? "it runs" : printed;
  } catch (error) {
    const printed = error instanceof Error && "stderr" in error ? firstLine(String(error.stderr)) : "";
    const why = printed || (error instanceof Error ? firstLine(error.message) : "");
    throw new Error(`${path} does not run: ${why}`, { cause: error });
  }
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]?.slice(0, 120) ?? "";
}
