import { stripVTControlCharacters } from "node:util";

/** Rows under their titles; the columns in `right` are aligned to the right. */
export function renderTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => lengthOf(row[column] ?? ""))),
  );
  const render = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const room = " ".repeat((widths[column] ?? 0) - lengthOf(cell));
        return right.includes(titles[column] ?? "") ? room + cell : cell + room;
      })
      .join("  ")
      .trimEnd();
  return [titles, widths.map((width) => "-".repeat(width)), ...rows].map(render).join("\n");
}

function lengthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}
