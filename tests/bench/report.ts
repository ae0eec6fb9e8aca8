import { cpus } from "node:os";
import type { Quartiles, Result } from "./harness.ts";

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

/** Number and model of the cores, operating system and architecture. */
export function machine(): string {
  const cores = cpus();
  return `${cores.length} x ${cores[0]?.model.trim() ?? "unknown"}, ${process.platform} ${process.arch}`;
}

const COLUMNS = ["row", "ours", "spread", "against", "spread", "unit", "ratio", "spread", "better"] as const;

/** The results as an aligned text table. */
export function renderTable(results: readonly Result[]): string {
  const lines = results.map((result) => [
    result.name,
    figure(result.ours),
    range(result.spread.ours, figure),
    figure(result.against),
    range(result.spread.against, figure),
    result.unit,
    ratio(result.ratio),
    range(result.spread.ratio, ratio),
    result.better,
  ]);
  const widths = COLUMNS.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const render = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return [render(COLUMNS), render(widths.map((width) => "-".repeat(width))), ...lines.map(render)]
    .map((line) => line.trimEnd())
    .join("\n");
}

function range([first, third]: Quartiles, render: (value: number) => string): string {
  return `${render(first)} to ${render(third)}`;
}

function ratio(value: number): string {
  return value.toFixed(2);
}

function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
