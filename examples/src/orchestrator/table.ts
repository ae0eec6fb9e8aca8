import type { SentRequest } from "./send-requests.ts";

const COLUMNS: readonly {
  readonly title: string;
  readonly isNumber: boolean;
  cell(row: SentRequest): string;
}[] = [
  { title: "request", isNumber: false, cell: ({ id }) => id },
  { title: "provider", isNumber: false, cell: ({ provider }) => provider },
  { title: "bytes", isNumber: true, cell: ({ bytes }) => String(bytes) },
  { title: "seal ms", isNumber: true, cell: ({ seal_ms }) => seal_ms?.toFixed(2) ?? "" },
  { title: "round trip ms", isNumber: true, cell: ({ round_trip_ms }) => round_trip_ms.toFixed(1) },
  { title: "verdict", isNumber: false, cell: ({ verdict }) => verdict },
];

/** What became of the requests, a line each under a line of titles. */
export function requestTable(rows: readonly SentRequest[]): string {
  const lines = [
    COLUMNS.map(({ title }) => title),
    ...rows.map((row) => COLUMNS.map(({ cell }) => cell(row))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, at) => pad(cell, at, widths))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function pad(cell: string, at: number, widths: readonly number[]): string {
  const width = widths[at] ?? 0;
  return COLUMNS[at]?.isNumber === true ? cell.padStart(width) : cell.padEnd(width);
}
