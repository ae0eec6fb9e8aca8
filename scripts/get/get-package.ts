import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { say } from "../bootstrap/say.mjs";
import { binFolder, findTool, TOOLS } from "../bootstrap/tools.mjs";
import { withLock } from "../bootstrap/with-lock.mjs";
import type { Package } from "./packages.ts";
import { seeRunning } from "./see-running.ts";

/**
 * Brings the programs of one package into `.cache/bin`, as far as they are not there yet; two processes at once bring them
 * once. A program gets there whole, and only after it was seen running.
 * @throws Error that says what to do
 */
export async function getPackage(root: string, found: Package): Promise<void> {
  await withLock(join(root, ".cache", "locks", found.tools.join("-")), () => bringMissing(root, found));
}

async function bringMissing(root: string, { tools, bring }: Package): Promise<void> {
  if (tools.every((tool) => findTool(root, tool) !== undefined)) {
    for (const tool of tools) await tellWhatIsThere(root, tool);
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

async function tellWhatIsThere(root: string, tool: string): Promise<void> {
  const path = findTool(root, tool);
  if (path === undefined) throw new Error(`${tool} was there a moment ago`);
  say(`${tool} is there already: ${path} (${await seeRunning(tool, path)})`);
}

async function moveToBin(root: string, draft: string, tool: string): Promise<void> {
  const [program = tool] = [...(TOOLS[tool]?.programs ?? [])].reverse();
  const [from, to] = [join(draft, tool), join(binFolder(root), program)];
  chmodSync(from, 0o755);
  const version = await seeRunning(tool, from);
  mkdirSync(binFolder(root), { recursive: true });
  renameSync(from, to);
  say(`${tool} is here: ${to} (${version})`);
}

/** What a process has left that was killed. */
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
