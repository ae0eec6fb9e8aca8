import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** A file of the project: its path from the root, with `/`, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Every file of the project whose name matches, without what is installed, fetched or local. */
export function readSources(name: RegExp): Source[] {
  return listFiles(ROOT)
    .filter((path) => name.test(path))
    .map((path) => ({
      path: relative(ROOT, path).replaceAll("\\", "/"),
      text: readFileSync(path, "utf8"),
    }));
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return isOurs(entry.name) ? listFiles(path) : [];
    return entry.isFile() ? [path] : [];
  });
}

function isOurs(folder: string): boolean {
  return folder !== "node_modules" && folder !== "coverage" && !folder.startsWith(".");
}
