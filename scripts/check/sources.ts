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

/** What one file imports. `specifier` is undefined where it is computed, and so cannot be checked. */
export interface Import {
  readonly specifier: string | undefined;
  readonly line: number;
}

const BLANK = String.raw`(?:\s|/\*[\s\S]*?\*/|//[^\n]*\n)*`;
const NAMED = new RegExp(String.raw`(?<!["'])\b(?:from|import)${BLANK}(["'])([^"'\n]+)\1`, "g");
const CALLED = new RegExp(String.raw`\b(?:import|require)${BLANK}\(${BLANK}(["'\x60])([^"'\x60\n$]+)\1`, "g");
const COMPUTED = new RegExp(
  String.raw`(?<![.\w])(?:import|require)${BLANK}\((?!${BLANK}(?:["'][^"']*["']|\x60[^\x60$]*\x60|\)))`,
  "g",
);

/**
 * Every import, static, dynamic or of types alone, and every re-export. Found in the text, not in a syntax tree: words
 * in a comment that look like an import count as one, which is the safe side to be wrong on.
 */
export function findImports(text: string): Import[] {
  const found = [NAMED, CALLED, COMPUTED].flatMap((pattern) => [...text.matchAll(pattern)]);
  return found.map((match) => ({ specifier: match[2], line: lineAt(text, match.index) }));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
