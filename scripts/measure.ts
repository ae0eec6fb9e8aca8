import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import { parseArgs } from "node:util";
import { findImports } from "#check/sources.ts";

const HELP = `Measures how the code reads: sizes of files, files with one importer, import cycles, the files on the ways that
ARCHITECTURE.md lists, and words that the project does not use.

  npm run measure                   of this project
  npm run measure -- --root <path>  of another checkout of it
  --json                            prints one JSON document on stdout

Exit codes: 0 measured, 1 there are import cycles or unwanted words, 2 wrong arguments.
`;

/** Words for people where a process, a user or a part of the program is meant. */
const PEOPLE = /\b(?:whoever|somebody|nobody|anybody|everybody)\b/gi;
/** Names that this project once had for things with standard names. */
const PRIVATE =
  /\b(?:cargo(?:es)?|patience|spine|canary desk|trust desk|dealings|goes-on|plan-of|way-of|by-trust)\b/gi;
/** Holds the words themselves. */
const SELF = /^(scripts\/measure\.ts|CHANGELOG\.md|docs\/adr\/)/;

interface Measured {
  /** Of packages and services, without tests. */
  readonly files: number;
  readonly lines: number;
  readonly medianLines: number;
  readonly filesOf30LinesOrLess: number;
  /** Of all code: source files that exactly one other source file imports. */
  readonly filesWithOneImporter: number;
  readonly cycles: readonly (readonly string[])[];
  /** By the title of the way. */
  readonly ways: Readonly<Record<string, readonly string[]>>;
  readonly wordsForPeople: number;
  readonly privateWords: number;
}

process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  let options: { readonly help?: boolean; readonly root?: string; readonly json?: boolean };
  try {
    options = parseArgs({
      args: [...args],
      options: { help: { type: "boolean" }, root: { type: "string" }, json: { type: "boolean" } },
    }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const measured = measure(resolve(options.root ?? join(import.meta.dirname, "..")));
  process.stdout.write(options.json ? `${JSON.stringify(measured)}\n` : render(measured));
  return measured.cycles.length + measured.wordsForPeople + measured.privateWords === 0 ? 0 : 1;
}

function measure(root: string): Measured {
  const paths = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  })
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(root, path)));
  const texts = new Map(
    paths
      .filter((path) => /\.(ts|mts|mjs|js|md|sh)$/.test(path))
      .map((path) => [path, readFileSync(join(root, path), "utf8")]),
  );
  const sources = [...texts.keys()].filter(isSource);
  const lines = sources.map((path) => lineCount(texts.get(path) ?? "")).toSorted((a, b) => a - b);
  const imports = new Map(sources.map((path) => [path, importedBy(path, texts.get(path) ?? "", texts)]));
  return {
    files: sources.length,
    lines: lines.reduce((sum, count) => sum + count, 0),
    medianLines: lines[Math.floor(lines.length / 2)] ?? 0,
    filesOf30LinesOrLess: lines.filter((count) => count <= 30).length,
    filesWithOneImporter: sources.filter((path) => importersOf(path, imports) === 1).length,
    cycles: cyclesIn(imports),
    ways: waysIn(texts.get("ARCHITECTURE.md") ?? "", texts),
    wordsForPeople: occurrences(PEOPLE, texts),
    privateWords: occurrences(PRIVATE, texts),
  };
}

function isSource(path: string): boolean {
  return (
    /^(packages|services)\/[^/]+\/src\/.*\.ts$/.test(path) &&
    !path.endsWith(".test.ts") &&
    !/\/testkit\//.test(path)
  );
}

function lineCount(text: string): number {
  return text.split("\n").length - 1;
}

/** The files of the same package that a file imports: across packages, imports name the package. */
function importedBy(path: string, text: string, texts: ReadonlyMap<string, string>): string[] {
  return findImports(text)
    .flatMap(({ specifier }) =>
      specifier?.startsWith(".") ? [posix.join(posix.dirname(path), specifier)] : [],
    )
    .filter((target) => texts.has(target));
}

function importersOf(path: string, imports: ReadonlyMap<string, readonly string[]>): number {
  return [...imports.values()].filter((targets) => targets.includes(path)).length;
}

/** One cycle for each file at which a depth-first walk comes back to its own path. */
function cyclesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (path: string, above: readonly string[]): void => {
    const at = above.indexOf(path);
    if (at !== -1) cycles.push([...above.slice(at), path]);
    if (at !== -1 || done.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...above, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  return cycles;
}

/** Sections "The way of ..." of the page: the files of their numbered lists, in order. */
function waysIn(page: string, texts: ReadonlyMap<string, string>): Record<string, string[]> {
  const sections = page.split(/^## /m).filter((section) => section.startsWith("The way of "));
  return Object.fromEntries(
    sections.map((section) => {
      const title = section.slice(0, section.indexOf("\n"));
      const files = [...section.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, path = ""]) => path);
      const missing = files.filter((path) => !texts.has(path));
      if (missing.length > 0)
        throw new Error(`ARCHITECTURE.md, ${title}: ${missing.join(", ")} does not exist`);
      return [title, files];
    }),
  );
}

function occurrences(words: RegExp, texts: ReadonlyMap<string, string>): number {
  return [...texts]
    .filter(([path]) => !SELF.test(path))
    .reduce((sum, [, text]) => sum + [...text.matchAll(words)].length, 0);
}

function render(measured: Measured): string {
  const { cycles, ways, ...numbers } = measured;
  const rows = Object.entries(numbers).map(([name, value]) => `${name.padEnd(22)} ${value}\n`);
  const cycleRows = cycles.map((cycle) => `cycle: ${cycle.join(" -> ")}\n`);
  const wayRows = Object.entries(ways).map(([title, files]) => `${title}: ${files.length} files\n`);
  return [...rows, `${"cycles".padEnd(22)} ${cycles.length}\n`, ...cycleRows, ...wayRows].join("");
}
