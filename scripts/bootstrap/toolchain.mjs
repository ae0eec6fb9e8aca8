import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, join } from "node:path";
import { runTool, withoutNpm } from "./run-child.mjs";
import { say } from "./say.mjs";

const NODE_MAJOR = 24;

/** The path of a Node that runs the project: this one if it is new enough, otherwise the fetched one, or undefined. */
export function findNode(root) {
  if (systemNodeWillDo()) return process.execPath;
  const fetched = nodeIn(homeOf(root));
  return existsSync(fetched) ? fetched : undefined;
}

/**
 * Fetches pnpm, and Node where the system's is too old, at the versions of scripts/toolchain/package-lock.json into
 * .toolchain/<hash of that lock>. It appears there whole or not at all.
 * @returns `{ node, pnpm }`: paths; pnpm's is a script for that node
 * @throws Error with an advice
 */
export async function installToolchain(root) {
  refuseWhereNoNodeCanBeFetched();
  const home = homeOf(root);
  if (!existsSync(home)) await fetchInto(root, home);
  const node = systemNodeWillDo() ? process.execPath : nodeIn(home);
  return { node, pnpm: join(home, "node_modules", "pnpm", "bin", "pnpm.cjs") };
}

async function fetchInto(root, home) {
  const tools = systemNodeWillDo() ? "pnpm" : `Node ${NODE_MAJOR} and pnpm`;
  say(`fetching ${tools} into .toolchain/ (once)`);
  const parent = join(root, ".toolchain");
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent))
    if (isAbandoned(name)) rmSync(join(parent, name), { recursive: true });
  const draft = mkdtempSync(join(parent, `draft-${process.pid}-`));
  try {
    cpSync(join(root, "scripts", "toolchain"), draft, { recursive: true });
    const omit = systemNodeWillDo() ? ["--omit=optional"] : [];
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", ...omit];
    const [npm, ...words] = npmCommand();
    await runTool(npm, [...words, ...args], { cwd: draft, env: withoutNpm(process.env) });
    if (!systemNodeWillDo() && !existsSync(nodeIn(draft))) throw new Error(nodeAdvice());
    moveInto(draft, home);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** If another start was first, it has brought the same. */
function moveInto(draft, home) {
  try {
    renameSync(draft, home);
  } catch (error) {
    if (!existsSync(home)) throw error;
  }
}

function isAbandoned(name) {
  const pid = /^draft-(\d+)-/.exec(name)?.[1];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

function homeOf(root) {
  const lock = readFileSync(join(root, "scripts", "toolchain", "package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex").slice(0, 16);
  return join(root, ".toolchain", systemNodeWillDo() ? `${hash}-pnpm` : hash);
}

function nodeIn(home) {
  return join(home, "node_modules", `node-linux-${process.arch}`, "bin", "node");
}

function systemNodeWillDo() {
  return Number(process.versions.node.split(".")[0]) >= NODE_MAJOR;
}

/** The npm that runs this process, otherwise the one on the PATH. */
function npmCommand() {
  const path = process.env.npm_execpath;
  return path !== undefined && basename(path) === "npm-cli.js" ? [process.execPath, path] : ["npm"];
}

function refuseWhereNoNodeCanBeFetched() {
  if (!systemNodeWillDo() && process.platform !== "linux") throw new Error(nodeAdvice());
}

function nodeAdvice() {
  return `this is Node ${process.versions.node}, and no newer one can be fetched for ${process.platform} ${process.arch}: install Node >= ${NODE_MAJOR}`;
}
