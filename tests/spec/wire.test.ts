import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  ERROR_CODES,
  HEADERS,
  SERVICE_ERROR_HEADERS,
  SERVICE_ERROR_NUMBERS,
  STATUS,
  SUBJECTS,
  type SubjectKind,
  tokensIn,
} from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { ROOT } from "./vectors.ts";

/** Text of docs/spec/wire-v1.md, by its sections of the second level. */
const SECTIONS = new Map(
  readFileSync(join(ROOT, "docs/spec/wire-v1.md"), "utf8")
    .split("\n## ")
    .map((part) => [part.slice(0, part.indexOf("\n")), part]),
);

/** Rows of the first table of a section whose header begins with `column`, cell by cell. */
function rowsOf(section: string, column: string): string[][] {
  const lines = SECTIONS.get(section)?.split("\n") ?? [];
  const start = lines.findIndex((line) => line.startsWith(`| ${column} |`));
  if (start === -1) throw new Error(`${section} has no table of ${column}`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) => line.slice(2, -2).split(" | "));
}

/** The codes of the first cells. */
function keysOf(section: string, column: string): string[] {
  return rowsOf(section, column).map(([cell = ""]) => /^`([^`]+)`$/.exec(cell)?.[1] ?? cell);
}

describe("the page of the wire", () => {
  test("has each subject with its tokens, and no other", () => {
    const kinds = Object.keys(SUBJECTS) as SubjectKind[];
    const subjects = kinds.map((kind) =>
      [SUBJECTS[kind], ...tokensIn(kind).map((token) => `<${token}>`)].join("."),
    );
    expect(keysOf("Subjects", "subject")).toEqual(subjects);
  });

  test("has each header, and no other", () => {
    const headers = [...Object.values(HEADERS), ...Object.values(SERVICE_ERROR_HEADERS)];
    expect(keysOf("Headers of messages", "header").toSorted()).toEqual(headers.toSorted());
  });

  test("has each status, and no other", () => {
    expect(keysOf("Statuses", "value").toSorted()).toEqual(Object.values(STATUS).toSorted());
  });

  test("has each error code with its number, and no other", () => {
    const rows = rowsOf("Errors", "code").map(([code = "", number]) => [code.slice(1, -1), Number(number)]);
    expect(Object.fromEntries(rows)).toEqual(SERVICE_ERROR_NUMBERS);
    expect(rows.map(([code]) => code).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
  });
});
