import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { requireTool } from "@scbe/testkit";
import type { AlertCase } from "#monitoring/cases/alert-case.ts";
import { renderPromtoolTest } from "#monitoring/cases/render-promtool-test.ts";
import type { RuleFile } from "#monitoring/render-rules.ts";

/** The tools of Prometheus and Alertmanager; without them their tests are skipped, with the reason as their name. */
export const promtool = requireTool("promtool");
export const amtool = requireTool("amtool");

export interface Verdict {
  readonly ok: boolean;
  /** The output of the tool. */
  readonly output: string;
}

export function runPromtool(...args: readonly string[]): Verdict {
  return run(promtool, args);
}

export function runAmtool(...args: readonly string[]): Verdict {
  return run(amtool, args);
}

/** Has promtool judge one case by the rule files. `folder` holds the case's own file. */
export function judge(name: string, one: AlertCase, ruleFiles: readonly string[], folder: string): Verdict {
  const file = join(folder, "case.yml");
  writeFileSync(file, renderPromtoolTest({ [name]: one }, ruleFiles, "One case"));
  return runPromtool("test", "rules", file);
}

/** Writes files below a folder. @returns their paths */
export function writeFiles(folder: string, files: readonly RuleFile[]): readonly string[] {
  return files.map(({ path, text }) => {
    const whole = join(folder, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return whole;
  });
}

function run(tool: typeof promtool, args: readonly string[]): Verdict {
  if (!tool.ok) throw new Error(tool.reason);
  const { status, stdout, stderr, error } = spawnSync(tool.path, args, {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, output: `${stdout}${stderr}` };
}

const TIMEOUT_MS = 120_000;
