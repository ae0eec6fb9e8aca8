import type { ConfigSpec } from "./read-config.ts";

/** One row of the configuration's documentation. */
export interface ConfigRow {
  readonly name: string;
  readonly expected: string;
  readonly unit: string;
  /** Empty if there is none. */
  readonly default: string;
  readonly required: boolean;
  readonly secret: boolean;
  readonly doc: string;
}

/** The rows of one specification, in the order of its variables. */
export function describeConfig(spec: ConfigSpec): ConfigRow[] {
  return Object.entries(spec.variables).map(([name, variable]) => ({
    name,
    expected: variable.expected,
    unit: variable.unit ?? "",
    default: variable.secret ? "" : (variable.default ?? ""),
    required: variable.default === undefined && !variable.optional,
    secret: variable.secret,
    doc: variable.doc,
  }));
}

/** A process and what it reads. */
export interface ConfigSection {
  readonly title: string;
  readonly spec: ConfigSpec;
}

/**
 * The variables of several processes as Markdown. A variable whose row is the same for several processes appears once, in a first section
 * that names its readers.
 */
export function configMarkdown(sections: readonly ConfigSection[]): string {
  const described = sections.map(({ title, spec }) => ({ title, rows: describeConfig(spec).map(cellsOf) }));
  const shared = new Map<string, SharedRow>();
  for (const { title, rows } of described) {
    for (const cells of rows) {
      const key = line(cells);
      shared.set(key, { cells, readers: [...(shared.get(key)?.readers ?? []), title] });
    }
  }
  const isShared = (cells: Cells): boolean => (shared.get(line(cells))?.readers.length ?? 0) > 1;
  const front = [...shared.values()]
    .filter(({ readers }) => readers.length > 1)
    .map(({ cells, readers }) => [...cells, readers.length === sections.length ? "all" : readers.join(", ")]);
  return [
    section("Shared", [...HEAD, "read by"], front),
    ...described.map(({ title, rows }) =>
      section(
        title,
        HEAD,
        rows.filter((cells) => !isShared(cells)),
      ),
    ),
  ]
    .filter((text) => text !== "")
    .join("\n");
}

type Cells = readonly string[];

interface SharedRow {
  readonly cells: Cells;
  /** Titles of the processes that read it. */
  readonly readers: readonly string[];
}

const HEAD = ["variable", "meaning", "value", "unit", "default", "secret"];

function section(title: string, head: Cells, rows: readonly Cells[]): string {
  if (rows.length === 0) return "";
  return [`## ${title}`, "", line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line), ""].join("\n");
}

function cellsOf(row: ConfigRow): Cells {
  const fallback = row.default === "" ? (row.required ? "required" : "none") : `\`${row.default}\``;
  const secret = row.secret ? `yes; or \`${row.name}_FILE\`` : "no";
  return [`\`${row.name}\``, row.doc, row.expected, row.unit, fallback, secret];
}

function line(cells: Cells): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
