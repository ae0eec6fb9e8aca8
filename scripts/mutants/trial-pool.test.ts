import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { findMutants } from "./find-mutants.ts";
import { TrialPool } from "./trial-pool.ts";

const READER = `
/** Two checks, of which the cases test one, and a loop. */
export function accepts(value: number): boolean {
  if (value > 9) return false;
  if (value === 5) return false;
  return true;
}
let calls = 0;
export function count(): number {
  calls += 1;
  return calls;
}
`;
const CASES = `
import { accepts, count } from "./reader.ts";
const equals = (is: unknown, due: unknown): void => { if (is !== due) throw new Error(\`\${is}\`); };
export const specCases = () => [
  { file: "a", name: "nine", run: () => equals(accepts(9), true) },
  { file: "a", name: "ten", run: async () => equals(accepts(10), false) },
  { file: "a", name: "first call", run: () => equals(count(), 1) },
];
`;

let root: string;
let pool: TrialPool | undefined;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "scbe-mutants-"));
  writeFileSync(join(root, "reader.ts"), READER);
  writeFileSync(join(root, "other.ts"), "export const a = 1;\n");
  writeFileSync(join(root, "cases.ts"), CASES);
});

afterEach(() => pool?.close());
afterAll(() => rmSync(root, { recursive: true }));

function start(processes = 1): TrialPool {
  pool = new TrialPool({ root, entry: "cases.ts", processes, caseMs: 2000, trialMs: 4000 });
  return pool;
}

async function fatesOf(...sources: readonly { file?: string; source: string }[]): Promise<unknown[]> {
  const fates = new Map<object, unknown>();
  const given = sources.map(({ file = "reader.ts", source }) => ({ file, source }));
  const { loaded } = await start().runUnchanged();
  await pool?.runAll(given, loaded, (mutant, fate) => fates.set(mutant, fate));
  return given.map((mutant) => fates.get(mutant));
}

test("a check without a case survives, and one with a case is killed by it", async () => {
  const mutants = findMutants("reader.ts", READER);
  const fates = new Map<string, string>();
  let told = 0;
  await start(2).runAll(mutants, ["reader.ts"], ({ change }, fate) => {
    told += 1;
    fates.set(change, fate.kind === "killed" ? fate.by : fate.kind);
  });
  expect(told).toBe(mutants.length);
  expect(Object.fromEntries(fates)).toMatchObject({
    "value > 9 → value >= 9": "a: nine",
    "if (value > 9) return false; → nothing": "a: ten",
    "9 → (9 + 1)": "a: ten",
    "if (value === 5) return false; → nothing": "survived",
    "5 → (5 + 1)": "survived",
  });
});

test("no mutant sees the state of another one, though one process tries them all", async () => {
  const same = { source: "export const accepts = (v) => v < 10; let n = 0; export const count = () => ++n;" };
  expect(await fatesOf(same, same, same)).toEqual(Array(3).fill({ kind: "survived" }));
});

test("one that crashes, computes forever, waits forever or cannot be loaded is killed, and the next one is not", async () => {
  const whole = "export const count = () => 1; export const accepts = (v) => ";
  const fates = await fatesOf(
    { source: `${whole}process.exit(0);` },
    { source: `${whole}{ for (;;); };` },
    { source: `${whole}new Promise(() => {});`.replace("= (v)", "= async (v)") },
    { source: "nothing.at.all;" },
    { source: `${whole}v < 10;` },
  );
  expect(fates).toEqual([
    { kind: "killed", by: "(crash)" },
    { kind: "killed", by: "(time limit)" },
    { kind: "killed", by: "a: nine" },
    { kind: "killed", by: "(loading)" },
    { kind: "survived" },
  ]);
}, 60_000);

test("a file that no case imports differs from one that survives", async () => {
  expect(await fatesOf({ file: "other.ts", source: "" })).toEqual([{ kind: "not loaded" }]);
});

test("without a change all cases run, and each that fails is named", async () => {
  expect(await start().runUnchanged()).toMatchObject({ ran: 3, cases: 3, failed: [] });
  writeFileSync(
    join(root, "cases.ts"),
    CASES.replace("accepts(9), true", "accepts(9), false").replace(", 1)", ", 2)"),
  );
  expect(await start().runUnchanged()).toMatchObject({
    failed: ["a: nine", "a: first call"],
    why: "Error: true",
  });
  writeFileSync(join(root, "cases.ts"), CASES);
});

test("a closed pool ends silently", async () => {
  const told: unknown[] = [];
  const running = start(2).runAll(
    Array.from({ length: 500 }, () => ({ file: "reader.ts", source: READER })),
    ["reader.ts"],
    (_, fate) => told.push(fate),
  );
  pool?.close();
  await running;
  expect(told).toEqual([]);
});
