import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ROOT } from "./check/sources.ts";
import { findMutants, isInSample, type Mutant } from "./mutants/find-mutants.ts";
import { judge, type Result, type Verdict } from "./mutants/judge.ts";
import { type Form, HELP, readOptions, SAMPLE_ONE_IN } from "./mutants/options.ts";
import { readListed, readParts, rowOf, withNumbers } from "./mutants/survivors-page.ts";
import { targetsIn } from "./mutants/targets.ts";
import { TrialPool } from "./mutants/trial-pool.ts";

/** `npm run mutate-readers`: see {@link HELP}. */

const PAGE = join(ROOT, "docs/spec/mutants.md");
const ENTRY = "tests/spec/spec-cases.ts";
/** Far above the time of one case (a few ms) and of all cases, also on a busy machine. */
const CASE_MS = 10_000;
const TRIAL_MS = 60_000;
const TELL_EVERY_MS = 5000;

const files = targetsIn(ROOT);
const options = readOptions(process.argv.slice(2), files);
if (options.kind === "help") process.stdout.write(HELP);
else if (options.kind === "wrong") {
  process.stderr.write(`${options.problem}\n`);
  process.exitCode = 2;
} else process.exitCode = await run(options);

async function run({ form, json, write }: Extract<typeof options, { kind: "run" }>): Promise<number> {
  const pool = new TrialPool({
    ...{ root: ROOT, entry: ENTRY, processes: availableParallelism() },
    ...{ caseMs: CASE_MS, trialMs: TRIAL_MS },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      pool.close();
      process.kill(process.pid, signal);
    });
  }
  const startedAt = performance.now();
  const unchanged = await pool.runUnchanged();
  if (unchanged.failed.length > 0 || unchanged.cases === 0) {
    say(unchanged.cases === 0 ? "there are no cases" : "on the code as it is there fail:");
    for (const name of unchanged.failed) say(`  ${name}`);
    if (unchanged.why !== undefined) say(unchanged.why);
    return 1;
  }
  const mutants = mutantsOf(form);
  say(`${unchanged.cases} vectors, ${mutants.length} mutants`);
  const results = await tryAll(pool, mutants, unchanged.loaded);
  const listed = readListed(readFileSync(PAGE, "utf8"));
  const isComplete = (file: string): boolean =>
    form.kind === "all" || (form.kind === "file" && form.file === file);
  const verdict = judge(results, listed, isComplete);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const counted = { files: new Set(mutants.map(({ file }) => file)).size, cases: unchanged.cases };
  if (json)
    process.stdout.write(
      `${JSON.stringify({ form, ...counted, seconds, ...asJson(verdict) }, undefined, 2)}\n`,
    );
  else report(verdict, results.length, seconds);
  if (write) {
    const { killed, survivors } = verdict;
    const numbers = { ...counted, mutants: results.length, killed, survivors: survivors.length };
    writeFileSync(PAGE, withNumbers(readFileSync(PAGE, "utf8"), numbers));
  }
  return verdict.unlisted.length + verdict.problems.length === 0 ? 0 : 1;
}

function mutantsOf(form: Form): Mutant[] {
  const chosen = form.kind === "file" ? [form.file] : files;
  const parts = readParts(readFileSync(PAGE, "utf8"));
  const all = chosen.flatMap((file) => {
    const names = parts.filter((part) => part.file === file).map(({ name }) => name);
    return findMutants(file, readFileSync(join(ROOT, file), "utf8"), new Set(names));
  });
  return form.kind === "sample" ? all.filter((mutant) => isInSample(mutant, SAMPLE_ONE_IN)) : all;
}

async function tryAll(
  pool: TrialPool,
  mutants: readonly Mutant[],
  loaded: readonly string[],
): Promise<Result[]> {
  const results: Result[] = [];
  let survived = 0;
  const telling = setInterval(() => {
    say(`${results.length} of ${mutants.length} tried, ${survived} survive`);
  }, TELL_EVERY_MS);
  try {
    await pool.runAll(mutants, loaded, (mutant, fate) => {
      results.push({ mutant, fate });
      if (fate.kind !== "killed") survived += 1;
    });
  } finally {
    clearInterval(telling);
  }
  return results;
}

function report({ killed, survivors, unlisted, problems }: Verdict, mutants: number, seconds: number): void {
  const lines = [
    `${mutants} mutants, ${killed} killed, ${survivors.length} survive, ${unlisted.length} of them not listed (${seconds} s)`,
    ...unlisted.flatMap(({ mutant, fate }) => [
      "",
      `${mutant.file}:${mutant.lineNumber}${fate.kind === "not loaded" ? " (no case imports this file)" : ""}`,
      rowOf(mutant),
    ]),
    ...problems.flatMap(({ listed, problem }) => [
      "",
      `docs/spec/mutants.md: ${problem}`,
      rowOf(listed, listed.why),
    ]),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function asJson({ killed, survivors, unlisted, problems }: Verdict): object {
  return {
    mutants: killed + survivors.length,
    killed,
    survivors: survivors.map((result) => {
      const { source: _, ...mutant } = result.mutant;
      return { ...mutant, isListed: !unlisted.includes(result), isLoaded: result.fate.kind === "survived" };
    }),
    problems: problems.map(({ listed, problem }) => ({ ...listed, problem })),
  };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
