import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * The third-party programs that tests and the local stack use: `{ variable, programs, bring }` by name. packages/local-stack, which tests
 * use without the bootstrap, has the same table.
 */
export const TOOLS = JSON.parse(
  readFileSync(new URL("../../packages/local-stack/src/tools.json", import.meta.url), "utf8"),
);

/** Folders of packages that are not on every user's PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/bin"];

/** The variables of all programs that were found, set to their paths. @throws Error as findTool */
export function toolEnvironment(root) {
  const entries = Object.entries(TOOLS).map(([name, { variable }]) => [variable, findTool(root, name)]);
  return Object.fromEntries(entries.filter(([, path]) => path !== undefined));
}

/**
 * The path of a program: the value of its variable, otherwise the first match on the PATH, in the folders of packages, and in .cache/bin.
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

/** The folder of programs that this checkout has brought. */
export function binFolder(root) {
  return join(root, ".cache", "bin");
}

/** The first match on the PATH or in `moreFolders`. */
export function findExecutable(name, moreFolders = []) {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...path, ...moreFolders].map((folder) => join(folder, name)).find(isExecutable);
}

/** True when this process can run that file. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
