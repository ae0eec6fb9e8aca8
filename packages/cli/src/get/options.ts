import { parseArgs } from "node:util";
import { findTool, TOOLS } from "../../../../scripts/bootstrap/tools.mjs";
import { renderTable } from "../table.ts";
import { PACKAGES } from "./packages.ts";

export type Arguments =
  | { readonly kind: "get"; readonly packages: readonly string[] }
  | { readonly kind: "list" }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly problem: string };

/** Reads the arguments of `npm run get`. */
export function readArguments(args: readonly string[]): Arguments {
  try {
    const options = { help: { type: "boolean", short: "h", default: false } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help) return { kind: "help" };
    if (positionals.length === 0) return { kind: "list" };
    const unknown = positionals.find((name) => packageOf(name) === undefined);
    if (unknown === undefined) return { kind: "get", packages: packagesOf(positionals) };
    const names = Object.values(PACKAGES).flatMap(({ tools }) => tools);
    return { kind: "wrong", problem: `${JSON.stringify(unknown)} is none of ${names.join(", ")}` };
  } catch (error) {
    return { kind: "wrong", problem: error instanceof Error ? error.message : String(error) };
  }
}

function packagesOf(names: readonly string[]): string[] {
  return [...new Set(names.flatMap((name) => packageOf(name) ?? []))];
}

/** The package of that name, or with a program of that name. */
function packageOf(name: string): string | undefined {
  return Object.keys(PACKAGES).find((key) => key === name || PACKAGES[key]?.tools.includes(name));
}

/** Every program that tests and the local stack use: its path, or the command that brings it. */
export function listTools(root: string): string {
  const rows = Object.entries(TOOLS).map(([name, { variable, bring }]) => [
    name,
    findTool(root, name) ?? `missing: ${bring}`,
    variable,
  ]);
  return `${renderTable(["program", "where", "variable"], rows)}\n`;
}

/** What `--help` prints. */
export function helpText(): string {
  const packages = Object.entries(PACKAGES).map(([name, { tools, doc }]) => {
    const more = tools.length > 1 ? ` (${tools.join(", ")})` : "";
    return `  ${name}${more}\n      ${doc}\n`;
  });
  return `Brings programs of others into .cache/bin, each of them seen running once before it gets there.

  npm run get                     lists all programs that are used here, and where they are
  npm run get jaeger              brings one; what is there already is left as it is
  npm run get jaeger prometheus   brings several, one after the other

${packages.join("")}
What a program's variable names comes first, then what is on the PATH, in /usr/sbin or in /usr/local/bin, then .cache/bin.

Exit codes: 0 all is there, 1 something could not be brought, 2 wrong arguments.
`;
}
