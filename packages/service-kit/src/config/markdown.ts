import type { ConfigSpec } from "./variable.ts";

/** One row of the configuration's documentation. */
export interface ConfigRow {
  readonly name: string;
  readonly expected: string;
  readonly unit: string;
  /** Empty: there is none. */
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
 * The variables of several processes as Markdown. A variable that reads the same in more than one of them stands once,
 * in a section of its own in front.
 */
export function configMarkdown(sections: readonly ConfigSection[]): string {
  const described = sections.map(({ title, spec }) => ({ title, rows: describeConfig(spec) }));
  const count = new Map<string, number>();
  for (const { rows } of described) {
    for (const row of rows) count.set(render(row), (count.get(render(row)) ?? 0) + 1);
  }
  const isShared = (row: ConfigRow): boolean => (count.get(render(row)) ?? 0) > 1;
  const shared = new Map(
    described.flatMap(({ rows }) => rows.filter(isShared).map((row) => [row.name, row])),
  );
  const parts = described.map(({ title, rows }) => ({ title, rows: rows.filter((row) => !isShared(row)) }));
  return [{ title: "Shared", rows: [...shared.values()] }, ...parts]
    .filter(({ rows }) => rows.length > 0)
    .map(({ title, rows }) => [`## ${title}`, "", HEAD, RULE, ...rows.map(render), ""].join("\n"))
    .join("\n");
}

const HEAD = "| variable | meaning | value | unit | default | secret |";
const RULE = "|---|---|---|---|---|---|";

function render(row: ConfigRow): string {
  const standing = row.default === "" ? (row.required ? "required" : "none") : `\`${row.default}\``;
  const secret = row.secret ? `yes; or \`${row.name}_FILE\`` : "no";
  const cells = [`\`${row.name}\``, row.doc, row.expected, row.unit, standing, secret];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
