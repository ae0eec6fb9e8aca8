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
import { REFUSALS } from "@scbe/envelope";
import { describe, expect, test } from "vitest";
import { requestVectors } from "./envelopes.ts";
import { ROOT, readVectors, unhex } from "./vectors.ts";

test("the page of the control plane shows the examples of the vectors", () => {
  const page = readFileSync(new URL("../../docs/spec/control-v1.md", import.meta.url), "utf8");
  const example = page.split("## Example")[1]?.split("## Vectors")[0] ?? "";
  const blocks = example.split("```").filter((_, at) => at % 2 === 1);
  const examples = blocks.map((it) => it.replaceAll("\n", ""));
  type Example = Readonly<Record<string, string>>;
  const { example: document } = readVectors<{ example: Example }>("control");
  const { example: lease } = readVectors<{ example: Example }>("leases");
  const [payload = "", digest, prefix, signature, message] = examples;
  expect({ payload, digest, signature, message }).toEqual({
    payload: document.payload,
    digest: document.digest,
    signature: document.signature,
    message: document.message,
  });
  expect(`${prefix}${Buffer.from(payload).toString("hex")}`).toBe(document.signed_bytes);
  expect(examples.slice(5)).toEqual([lease.question, lease.payload, lease.answer]);
});

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

describe("the page of the envelope", () => {
  const [first] = requestVectors();
  if (!first?.opens) throw new Error("the first vector is missing");
  const text = readFileSync(join(ROOT, "docs/spec/envelope-v1.md"), "utf8");

  test("names every reason of refusal at its step", () => {
    const rows = text.split("\n").filter((line) => /^\| \d+ \|/.test(line));
    const steps = rows.slice(rows.findIndex((row) => row.startsWith("| 1 |")));
    const named = steps.flatMap((row) => {
      const [, step, reasons = ""] = row.split("|");
      return [...reasons.matchAll(/`([a-z_]+)`/g)].map(([, reason]) => [reason, Number(step)]);
    });
    expect(Object.fromEntries(named)).toEqual(REFUSALS);
  });

  test("shows the first vector as its example", () => {
    const [key] = first.keys;
    if (key === undefined) throw new Error("the vector has no key");
    const { envelope, hash } = first;
    const unbroken = text.replace(/\s/g, "");
    for (const part of [...split(envelope), key.k_enc, key.k_nonce, hash]) expect(unbroken).toContain(part);
    expect(unbroken).toContain(`"in_reply_to":"${unhex(hash).toString("base64url")}"`);
    expect(unbroken).toContain(`these${envelope.length / 2}bytes`);
  });

  /** Length, header, ciphertext and tag, as the example shows them. */
  function split(envelope: string): string[] {
    const bodyAt = 8 + 2 * Number.parseInt(envelope.slice(0, 8), 16);
    const header = unhex(envelope.slice(8, bodyAt)).toString("latin1");
    return [envelope.slice(0, 8), header, envelope.slice(bodyAt, -32), envelope.slice(-32)];
  }
});
