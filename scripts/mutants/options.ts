import { parseArgs } from "node:util";

/** Which mutants are tried: all, all of one file, or a sample that is the same in every run. */
export type Form =
  | { readonly kind: "all" }
  | { readonly kind: "file"; readonly file: string }
  | { readonly kind: "sample" };

export type Options =
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly problem: string }
  | { readonly kind: "run"; readonly form: Form; readonly json: boolean; readonly write: boolean };

/** The sample holds one mutant of this number. */
export const SAMPLE_ONE_IN = 8;

/** Reads the arguments of `npm run mutate-readers`; `files` are those that can be mutated. */
export function readOptions(args: readonly string[], files: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        all: { type: "boolean", default: false },
        file: { type: "string" },
        write: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const { all, file, write, json } = values;
    if (values.help) return { kind: "help" };
    if (all && file !== undefined) return wrong("--all and --file exclude each other");
    if (write && !all)
      return wrong("--write needs --all: the page states the numbers of a run of all mutants");
    if (file === undefined) return { kind: "run", form: { kind: all ? "all" : "sample" }, json, write };
    if (!files.includes(file))
      return wrong(`${file} is none of the files that are mutated:\n${files.join("\n")}`);
    return { kind: "run", form: { kind: "file", file }, json, write };
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function wrong(problem: string): Options {
  return { kind: "wrong", problem };
}

export const HELP = `Changes the code that reads messages, one small change at a time, and runs all vectors of docs/spec/vectors (tests/spec)
against each changed version. A mutant that fails no vector has survived: it must be listed in docs/spec/mutants.md with the
reason why no vector can tell it from the original.

  npm run mutate-readers                      one mutant in ${SAMPLE_ONE_IN}, always the same ones
  npm run mutate-readers -- --file <path>     every mutant of one file
  npm run mutate-readers -- --all             every mutant
  npm run mutate-readers -- --all --write     and writes the numbers into docs/spec/mutants.md
  --json                                      prints the result as JSON on stdout

Progress goes to stderr. Survivors are printed as rows for the table of docs/spec/mutants.md.

Exit codes: 0 every survivor is listed, 1 one is not, or a listed one is stale or has no reason, or a case fails on the code as it is,
2 wrong arguments.
`;
