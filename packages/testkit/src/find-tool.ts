import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import TOOLS from "./tools.json" with { type: "json" };

/** A program of somebody else's that tests and the local stack use. `npm run get` lists them all. */
export type ToolName = keyof typeof TOOLS;

export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[];

export type ToolAvailability =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: string };

/**
 * For tests that skip where a program is missing; `SCBE_REQUIRE_ALL=1` makes that a failure.
 * @returns its path; or why it cannot be had, and what brings it
 * @throws Error in place of the latter when `SCBE_REQUIRE_ALL=1`; and when its variable names no program
 * @example
 * const jaeger = requireTool("jaeger");
 * describe.skipIf(!jaeger.ok)("traces", () => { ... });
 */
export function requireTool(
  name: ToolName,
  env: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = MORE_FOLDERS,
): ToolAvailability {
  const path = findTool(name, env, folders);
  if (path !== undefined) return { ok: true, path };
  const reason = toolAdvice(name);
  if (env.SCBE_REQUIRE_ALL === "1") throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return { ok: false, reason };
}

/**
 * The path of a program: what its variable names, else the first one on the PATH, where packages put it, or in `.cache/bin`.
 * @throws Error when its variable names something that cannot be run
 */
export function findTool(
  name: ToolName,
  env: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = MORE_FOLDERS,
): string | undefined {
  const { variable, programs } = TOOLS[name];
  const given = env[variable] ?? "";
  if (given === "") return programs.map((program) => findExecutable(program, env, folders)).find(isThere);
  if (isExecutable(given)) return given;
  throw new Error(`${variable} names ${given}, which cannot be run`);
}

/** What to tell somebody who lacks it. */
export function toolAdvice(name: ToolName): string {
  const { variable, bring } = TOOLS[name];
  return `${name} was not found; install it (${bring}) or set ${variable} to its path`;
}

/** Where packages put programs that a user's PATH need not have, and `npm run get` those that it brings. */
const MORE_FOLDERS = [
  "/usr/sbin",
  "/usr/local/bin",
  fileURLToPath(new URL("../../../.cache/bin", import.meta.url)),
];

/** The first executable of that name on the PATH, in the folders that packages use, or in `.cache/bin`. */
export function findExecutable(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = MORE_FOLDERS,
): string | undefined {
  const path = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...path, ...folders].map((folder) => join(folder, name)).find(isExecutable);
}

/** True when this process may run it. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isThere(path: string | undefined): path is string {
  return path !== undefined;
}
