import { expect, test } from "vitest";
import { checkLinks } from "./links.ts";

test("a link to a file that does not exist is found, relative to its page", () => {
  const page = {
    path: "docs/a.md",
    text: "[there](b.md#part) [up](../README.md) [gone](c.md) [web](https://a.b/c)",
  };
  const files = new Set(["docs/b.md", "README.md"]);
  expect(checkLinks([page], (path) => files.has(path))).toEqual(["docs/a.md: c.md does not exist"]);
});

test("brackets and parentheses in code are no link, and code in a link's text is no hindrance", () => {
  const page = { path: "a.md", text: "`list[0](x.y)` and `` a`[0](z.y) ``, but [`name`](gone.md)" };
  expect(checkLinks([page], () => false)).toEqual(["a.md: gone.md does not exist"]);
  expect(checkLinks([{ path: "a.md", text: "```ts\nlist[0](x.y)\n```\n" }], () => false)).toEqual([]);
});
