import { parseArgs } from "node:util";

export type BenchOptions =
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly problem: string }
  | { readonly kind: "run"; readonly only: readonly string[]; readonly json: string | undefined };

/** Reads the arguments of `npm run bench`; `names` are the existing rows. */
export function readOptions(args: readonly string[], names: readonly string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        json: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { kind: "help" };
    const only = values.only ?? names;
    const unknown = only.find((name) => !names.includes(name));
    if (unknown === undefined) return { kind: "run", only, json: values.json };
    return { kind: "wrong", problem: `there is no row ${unknown}; there are ${names.join(", ")}` };
  } catch (error) {
    return { kind: "wrong", problem: error instanceof Error ? error.message : String(error) };
  }
}
