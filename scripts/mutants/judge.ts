import { keyOf, type Mutant } from "./find-mutants.ts";
import type { Listed } from "./survivors-page.ts";
import type { Fate } from "./trial.ts";

/** A mutant and its result. */
export interface Result {
  readonly mutant: Mutant;
  readonly fate: Fate;
}

export interface Verdict {
  readonly killed: number;
  readonly survivors: readonly Result[];
  /** Survivors that the page does not list. */
  readonly unlisted: readonly Result[];
  /** Rows of the page that no longer survive, and rows without a reason. */
  readonly problems: readonly { readonly listed: Listed; readonly problem: string }[];
}

/** The change in a row that covers every change of its line. */
const ANY = { operator: "any", change: "any" } as const;

/**
 * Compares the results of mutants with the list of survivors.
 * @param isComplete true for a file whose mutants were all tried: only there a missing mutant is stale
 */
export function judge(
  results: readonly Result[],
  listed: readonly Listed[],
  isComplete: (file: string) => boolean,
): Verdict {
  const survivors = results.filter(({ fate }) => fate.kind !== "killed");
  const fates = new Map(results.map(({ mutant, fate }) => [keyOf(mutant), fate]));
  const known = new Set(listed.map(keyOf));
  const survivingLines = new Set(survivors.map(({ mutant }) => keyOf({ ...mutant, ...ANY })));
  const problems = listed.flatMap((row, at) => {
    const isOfLine = row.change === ANY.change;
    const fate = fates.get(keyOf(row));
    const isMissing = isOfLine ? !survivingLines.has(keyOf(row)) : fate === undefined;
    const says = [
      ...(row.why === "" ? ["it has no reason"] : []),
      ...(listed.findIndex((other) => keyOf(other) === keyOf(row)) < at ? ["it stands twice"] : []),
      ...(fate?.kind === "killed" ? [`it is killed, by ${fate.by}`] : []),
      ...(isMissing && isComplete(row.file) ? ["there is no such mutant"] : []),
    ];
    return says.map((problem) => ({ listed: row, problem }));
  });
  return {
    killed: results.length - survivors.length,
    survivors,
    unlisted: survivors.filter(
      ({ mutant }) => !known.has(keyOf(mutant)) && !known.has(keyOf({ ...mutant, ...ANY })),
    ),
    problems,
  };
}
