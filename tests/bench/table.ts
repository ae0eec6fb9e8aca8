import type { Result } from "./harness.ts";

const COLUMNS = ["row", "ours", "against", "unit", "ratio", "spread", "better"] as const;

/** The results as an aligned table, for people. */
export function renderTable(results: readonly Result[]): string {
  const lines = results.map((result) => [
    result.name,
    figure(result.ours),
    figure(result.against),
    result.unit,
    result.ratio.toFixed(2),
    `${result.spread[0].toFixed(2)} to ${result.spread[1].toFixed(2)}`,
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

function figure(value: number): string {
  if (value >= 1000) return Math.round(value).toString();
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
