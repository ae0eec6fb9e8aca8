import { expect, test } from "vitest";
import { rulesPage } from "./rules-page.ts";

const PAGE = {
  path: "docs/spec/a-v1.md",
  text: `# A\n## Key \`states\`\n- **KS1** A \`kid\` of [at most](b.md) 64.\n- **KS2** ${"word ".repeat(22)}\`one piece of code\` and more\n`,
};
const VECTORS = [
  {
    path: "docs/spec/vectors/keys.json",
    json: {
      vectors: [
        { name: "64 | long", rules: ["KS1"], ok: true },
        { name: "65", rules: ["KS1"], ok: false },
        { name: "66", rules: ["KS1"], ok: false },
        { name: "made", rules: ["KS2"] },
      ],
    },
  },
];

test("the page has each rule, its section, its text, and its vectors by their outcome", () => {
  const rows = rulesPage([PAGE], VECTORS)
    .split("\n")
    .filter((line) => line.startsWith("| KS"));
  expect(rows).toEqual([
    "| KS1 | [Key `states`](a-v1.md#key-states) | A `kid` of at most 64. | `keys`: 64 \\| long | `keys`: 65; 66 |  |",
    `| KS2 | [Key \`states\`](a-v1.md#key-states) | ${"word ".repeat(22)}… |  |  | \`keys\`: made |`,
  ]);
});
