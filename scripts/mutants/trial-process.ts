import { join, relative } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { FreshModules } from "./fresh-modules.ts";
import type { Answer, Job } from "./trial.ts";

/*
 * A process that tries mutants, one after the other: `trial-process.ts <root> <cases>`, with an IPC channel to its parent. Every trial
 * has its own instances of the cases and of everything that they import.
 */

interface Case {
  readonly file: string;
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

const [, , root = "", entry = ""] = process.argv;
const modules = new FreshModules(root);

process.on("disconnect", () => process.exit());
process.on("message", (job: Job) => {
  void tryOut(job).then((answer) => process.send?.(answer));
});

async function tryOut({ changed, first, caseMs, all }: Job): Promise<Answer> {
  const path = changed && join(root, changed.file);
  let cases: readonly Case[];
  try {
    const loaded = await modules.import(
      join(root, entry),
      path ? { path, source: changed.source } : undefined,
    );
    cases = (loaded.specCases as () => readonly Case[])();
  } catch (error) {
    return { ran: 0, cases: 0, failed: ["(loading)"], loaded: [], why: String(error) };
  }
  const failed: string[] = [];
  let why: string | undefined;
  let ran = 0;
  for (const each of inOrder(cases, first)) {
    ran += 1;
    try {
      await within(caseMs, each.run);
    } catch (error) {
      failed.push(nameOf(each));
      why ??= String(error);
      if (!all) break;
    }
  }
  const loaded = modules.loaded.map((file) => relative(root, file).replaceAll("\\", "/"));
  return { ran, cases: cases.length, failed, loaded, ...(why !== undefined && { why }) };
}

function nameOf({ file, name }: Case): string {
  return `${file}: ${name}`;
}

function inOrder(cases: readonly Case[], first: readonly string[]): Case[] {
  const rank = new Map(first.map((name, at) => [name, at]));
  return cases.toSorted((one, other) => (rank.get(nameOf(one)) ?? 1e9) - (rank.get(nameOf(other)) ?? 1e9));
}

/** A case that waits forever fails; the parent ends one that computes forever. */
async function within(ms: number, run: Case["run"]): Promise<void> {
  const result = run();
  if (!(result instanceof Promise)) return;
  const over = new AbortController();
  const late = wait(ms, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not over after ${ms} ms`);
  });
  late.catch(() => undefined);
  try {
    await Promise.race([result, late]);
  } finally {
    over.abort();
  }
}
