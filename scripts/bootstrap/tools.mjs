import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { isExecutable } from "./is-executable.mjs";

/**
 * The programs of others that tests and the local stack use: `{ variable, programs, bring }` by name. The testkit, which
 * tests use without all of this, looks them up by the same table.
 */
export const TOOLS = JSON.parse(
  readFileSync(new URL("../../packages/testkit/src/tools.json", import.meta.url), "utf8"),
);

/** Where packages put programs that a user's PATH need not have. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/bin"];

/** The variables of all programs that are there, set to their paths. @throws Error as findTool */
export function toolEnvironment(root) {
  const entries = Object.entries(TOOLS).map(([name, { variable }]) => [variable, findTool(root, name)]);
  return Object.fromEntries(entries.filter(([, path]) => path !== undefined));
}

/**
 * The path of a program: what its variable names, else on the PATH, where packages put it, in .cache/bin.
 * @throws Error when its variable names something that cannot be run
 */
export function findTool(root, name) {
  const { variable, programs } = TOOLS[name];
  const given = process.env[variable] ?? "";
  const folders = [...MORE_FOLDERS, binFolder(root)];
  if (given === "")
    return programs.map((program) => findExecutable(program, folders)).find((path) => path !== undefined);
  if (isExecutable(given)) return given;
  throw new Error(`${variable} names ${given}, which cannot be run`);
}

/** Where this checkout keeps programs that it has brought. */
export function binFolder(root) {
  return join(root, ".cache", "bin");
}

/** The first one on the PATH or in `moreFolders`. */
export function findExecutable(name, moreFolders = []) {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...path, ...moreFolders].map((folder) => join(folder, name)).find(isExecutable);
}
