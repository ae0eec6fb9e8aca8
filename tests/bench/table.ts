import type { Quartiles, Result } from "./harness.ts";

const COLUMNS = ["row", "ours", "spread", "against", "spread", "unit", "ratio", "spread", "better"] as const;

/** The results as an aligned table, for people. */
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

function range([first, third]: Quartiles, show: (value: number) => string): string {
  return `${show(first)} to ${show(third)}`;
}

function ratio(value: number): string {
  return value.toFixed(2);
}

function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
