import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { type Stage, startStage } from "./e2e/stage.ts";
import { type Result, type RowSource, runRow } from "./harness.ts";
import { readOptions } from "./options.ts";
import { benchReport, machine, renderTable } from "./report.ts";
import { openVsJose, openVsRaw, sealVsJose, sealVsRaw } from "./rows/crypto.ts";
import {
  e2eVsBare,
  e2eVsStub,
  hangingCollector,
  hangingVsTaking,
  tracedAt1Percent,
  tracedAt100Percent,
} from "./rows/end-to-end.ts";

/** `npm run bench`: every row measures two sides in turns and reports the median of their ratios. */
const ROWS: readonly RowSource[] = [
  sealVsRaw,
  openVsRaw,
  sealVsJose,
  openVsJose,
  e2eVsBare,
  e2eVsStub,
  tracedAt1Percent,
  tracedAt100Percent,
  hangingCollector,
  hangingVsTaking,
];
const WRONG_ARGUMENTS = 2;

process.exit(await main(process.argv.slice(2)).catch(failed));

async function main(args: readonly string[]): Promise<number> {
  const names = ROWS.map(({ name }) => name);
  const options = readOptions(args, names);
  if (options.kind === "help") return print(helpText(), 0);
  if (options.kind === "wrong") {
    say(`${options.problem}\nsee npm run bench -- --help`);
    return WRONG_ARGUMENTS;
  }
  const results = await run(ROWS.filter(({ name }) => options.only.includes(name)));
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(benchReport(results), null, 2)}\n`);
  }
  return print(`${machine()}, Node ${process.versions.node}\n\n${renderTable(results)}\n`, 0);
}

async function run(sources: readonly RowSource[]): Promise<Result[]> {
  await using stack = new AsyncDisposableStack();
  let started: Promise<Stage> | undefined;
  const stage = (): Promise<Stage> => {
    started ??= startStage().then((it) => stack.use(it));
    return started;
  };
  const results: Result[] = [];
  for (const source of sources) {
    say(`${source.name}: ${source.says} (load ${loadavg()[0]?.toFixed(1)})`);
    const row = await source.open(stage);
    results.push(await runRow(row, (round) => sayRound(round, row.rounds)));
  }
  return results;
}

/** Shows progress on a terminal. */
function sayRound(round: number, rounds: number): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r  ${round + 1}/${rounds} ${round + 1 === rounds ? "\n" : ""}`);
}

function failed(error: unknown): number {
  say(error instanceof Error ? error.message : String(error));
  return 1;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(text: string, exitCode: number): number {
  process.stdout.write(text);
  return exitCode;
}

function helpText(): string {
  return `Measures two sides in turns. Absolute times on a shared machine say little, so the result of a row is the median of its
rounds' ratios. The spread of each figure is the first and the third quartile of its rounds.

  npm run bench
  npm run bench -- --only ROW     only this row; repeat it for more rows
  npm run bench -- --json FILE    also writes {"machine", "node", "rows": [{"name", "unit", "better", "ours", "against",
                                  "ratio", "spread": {"ours", "against", "ratio"}}]}

Rows:
${ROWS.map(({ name, says }) => `  ${name.padEnd(24)} ${says}\n`).join("")}
Exit codes: 0 measured, 1 failed, 2 wrong arguments.
`;
}
