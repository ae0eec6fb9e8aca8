import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as api from "./index.ts";

test("the client exports exactly these values", () => {
  expect(Object.keys(api).sort()).toEqual(["ScbeError", "clientConfig", "connect", "isScbeError"]);
});

test("every example of the README compiles", () => {
  const file = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
  const compiled = lines(file("../test/examples.ts"));
  const blocks = [...file("../README.md").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = ""]) =>
    lines(code),
  );
  expect(blocks.length).toBeGreaterThanOrEqual(3);
  for (const block of blocks) expect(compiled).toContain(block);
});

/** Without indentation and empty lines, so that an example can be inside a function. */
function lines(code: string): string {
  return code
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n");
}
