import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import TOOLS from "./tools.json" with { type: "json" };

/** A third-party program that tests and the local stack run. `npm run get` lists them all. */
export type ToolName = keyof typeof TOOLS;

export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[];

export type ServerName = "nats-server" | "redis-server" | "prometheus" | "alertmanager" | "jaeger";

export type ToolAvailability =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: string };

/**
 * For tests that skip when a program is missing; `SCBE_REQUIRE_ALL=1` makes that a failure.
 * @returns its path, or a reason with the command that installs it
 * @throws Error instead of the reason when `SCBE_REQUIRE_ALL=1`; Error when its variable names no program
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
 * The path of a real server, found as {@link findTool} does.
 * @throws Error that names what to install
 */
export function findServer(name: ServerName, env: NodeJS.ProcessEnv = process.env): string {
  const found = findTool(name, env);
  if (found !== undefined) return found;
  throw new Error(toolAdvice(name));
}

/**
 * The path of a program: the value of its variable, otherwise the first match on the PATH, in the folders of packages, and in `.cache/bin`.
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

/** The message for a machine without it. */
export function toolAdvice(name: ToolName): string {
  const { variable, bring } = TOOLS[name];
  return `${name} was not found; install it (${bring}) or set ${variable} to its path`;
}

/** Folders of packages that are not on every user's PATH, and the folder of `npm run get`. */
const MORE_FOLDERS = [
  "/usr/sbin",
  "/usr/local/bin",
  fileURLToPath(new URL("../../../.cache/bin", import.meta.url)),
];

/** The first executable of that name on the PATH or in `folders`. */
export function findExecutable(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = MORE_FOLDERS,
): string | undefined {
  const path = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...path, ...folders].map((folder) => join(folder, name)).find(isExecutable);
}

/** True when this process can run it. */
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

/** One of the nats-servers that tests of the bus run on. */
export interface NatsVersion {
  /** For example "2.9.10"; for a missing program, how to provide it. */
  readonly version: string;
  /** Its path, for {@link startNats}; `undefined` when this machine has none. */
  readonly program: string | undefined;
}

/**
 * The default nats-server, and a newer one: `SCBE_NATS_SERVER_NEXT`, or the result of
 * `GOBIN=$PWD/.cache/bin-next go install github.com/nats-io/nats-server/v2@v2.15.2`. The newer one can be missing, even under
 * `SCBE_REQUIRE_ALL=1`: tests then skip with the entry's `version` as the reason.
 *
 * @example
 * describe.each(natsVersions())("on nats-server $version", ({ program }) => {
 *   describe.skipIf(program === undefined)("the bus", () => { ... startNats({ program }) ... });
 * });
 */
export function natsVersions(env: NodeJS.ProcessEnv = process.env): readonly NatsVersion[] {
  const first = findServer("nats-server", env);
  return [{ version: versionOf(first), program: first }, nextVersion(env)];
}

const CACHED = fileURLToPath(new URL("../../../.cache/bin-next/nats-server", import.meta.url));

function nextVersion(env: NodeJS.ProcessEnv): NatsVersion {
  const given = env.SCBE_NATS_SERVER_NEXT ?? "";
  if (given !== "" && !isExecutable(given)) {
    throw new Error(`SCBE_NATS_SERVER_NEXT names ${given}, which cannot be run`);
  }
  const program = given === "" ? CACHED : given;
  return isExecutable(program)
    ? { version: versionOf(program), program }
    : { version: "next (neither SCBE_NATS_SERVER_NEXT nor .cache/bin-next has one)", program: undefined };
}

function versionOf(program: string): string {
  const output = execFileSync(program, ["--version"], { encoding: "utf8" });
  return output.match(/v(\d+\.\d+\.\d+)/)?.[1] ?? output.trim();
}
