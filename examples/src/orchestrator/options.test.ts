import { expect, test } from "vitest";
import { readOptions } from "./options.ts";

test("by default it sends the examples, eight at once, as orchestrator", () => {
  expect(readOptions([])).toEqual({
    help: false,
    json: false,
    requests: undefined,
    concurrency: 8,
    timeoutMs: undefined,
    name: "orchestrator",
  });
});

test("every option is read", () => {
  const args = "--json --requests a.jsonl --concurrency 1024 --timeout-ms 500 --name orchestrator-b -h";
  expect(readOptions(args.split(" "))).toEqual({
    help: true,
    json: true,
    requests: "a.jsonl",
    concurrency: 1024,
    timeoutMs: 500,
    name: "orchestrator-b",
  });
});

test.each([
  ["an unknown option", ["--bogus"], /--bogus/],
  ["an argument without an option", ["requests.jsonl"], /requests\.jsonl/],
  ["an option without its value", ["--requests"], /--requests/],
  ["a concurrency of 0", ["--concurrency", "0"], /--concurrency must be an integer from 1 to 1024/],
  ["a concurrency above the limit", ["--concurrency", "1025"], /from 1 to 1024/],
  ["a timeout with a unit", ["--timeout-ms", "1s"], /--timeout-ms must be an integer/],
])("%s is refused", (_case, args, words) => {
  expect(() => readOptions(args)).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringMatching(words) }),
  );
});
