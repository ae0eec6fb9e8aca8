import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readVectors } from "./vectors.ts";

test("the page shows the examples", () => {
  const page = readFileSync(new URL("../../docs/spec/control-v1.md", import.meta.url), "utf8");
  const example = page.split("## Example")[1]?.split("## Vectors")[0] ?? "";
  const blocks = example.split("```").filter((_, at) => at % 2 === 1);
  const shown = blocks.map((it) => it.replaceAll("\n", ""));
  type Example = Readonly<Record<string, string>>;
  const { example: document } = readVectors<{ example: Example }>("control");
  const { example: lease } = readVectors<{ example: Example }>("leases");
  const [payload = "", digest, prefix, signature, message] = shown;
  expect({ payload, digest, signature, message }).toEqual({
    payload: document.payload,
    digest: document.digest,
    signature: document.signature,
    message: document.message,
  });
  expect(`${prefix}${Buffer.from(payload).toString("hex")}`).toBe(document.signed_bytes);
  expect(shown.slice(5)).toEqual([lease.question, lease.payload, lease.answer]);
});
