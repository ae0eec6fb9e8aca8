import { cpus } from "node:os";
import type { Result } from "./harness.ts";

/** The document of `--json`. */
export interface BenchReport {
  readonly machine: string;
  readonly node: string;
  readonly rows: readonly Result[];
}

export function benchReport(results: readonly Result[]): BenchReport {
  return {
    machine: machine(),
    node: process.versions.node,
    rows: results,
  };
}

/** Cores and their kind, system and architecture. */
export function machine(): string {
  const cores = cpus();
  return `${cores.length} x ${cores[0]?.model.trim() ?? "unknown"}, ${process.platform} ${process.arch}`;
}
