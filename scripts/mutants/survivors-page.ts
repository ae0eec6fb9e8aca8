import type { Mutant } from "./find-mutants.ts";

/** A row of docs/spec/mutants.md: a mutant that no vector distinguishes from the original. */
export interface Listed extends Pick<Mutant, "file" | "operator" | "line" | "change"> {
  /** The reason. */
  readonly why: string;
}

/** The numbers of a run of all mutants. */
export interface Numbers {
  readonly files: number;
  readonly cases: number;
  readonly mutants: number;
  readonly killed: number;
  readonly survivors: number;
}

const BEGIN = "<!-- numbers: written by `npm run mutate-readers -- --all --write` -->";
const END = "<!-- end of numbers -->";

/** A part of a file that is not mutated: the name of a declaration or method. */
export interface LeftOutPart {
  readonly file: string;
  readonly name: string;
  /** The reason why no message shows its effect. */
  readonly why: string;
}

const SURVIVORS = "## Survivors";

/** The rows of the table of survivors. */
export function readListed(page: string): Listed[] {
  return rowsOf(page.slice(page.indexOf(SURVIVORS))).map(
    ([file = "", operator = "", code = "", change = "", why = ""]) => ({
      ...{ file, operator, line: fromCode(code), change: fromCode(change), why },
    }),
  );
}

/** The rows of the table of parts, which precedes the table of survivors. */
export function readParts(page: string): LeftOutPart[] {
  const rows = rowsOf(page.slice(0, page.indexOf(SURVIVORS)));
  return rows.map(([file = "", name = "", why = ""]) => ({ file, name: fromCode(name), why }));
}

function rowsOf(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => /^\| (?!file \|)/.test(line))
    .map((line) => line.split(/(?<!\\)\|/).slice(1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll("\\|", "|")));
}

/** The mutant as a row of the table. */
export function rowOf({ file, operator, line, change }: Omit<Listed, "why">, why = ""): string {
  const cells = [file, operator, toCode(line), toCode(change), why];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/**
 * The page with these numbers.
 * @throws Error when it has no place for them
 */
export function withNumbers(page: string, { files, cases, mutants, killed, survivors }: Numbers): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`docs/spec/mutants.md lacks the lines ${BEGIN} and ${END}`);
  const text = `The last run of all mutants: ${mutants} mutants of ${files} files, tried on ${cases} vectors; ${killed} killed, ${survivors} survive.`;
  return `${page.slice(0, from)}${BEGIN}\n${text}\n${page.slice(to)}`;
}

/** Code that holds a backtick needs two around it. */
function toCode(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

function fromCode(cell: string): string {
  return cell.replace(/^(?:`` ([\s\S]*) ``|`([\s\S]*)`)$/, "$1$2");
}
