import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Rule, rulesIn, vectorsOfRule } from "../check/rules.ts";
import { ROOT, type Source } from "../check/sources.ts";
import type { VectorFile } from "../check/spec-vectors.ts";
import { table } from "./markdown-table.ts";

const SPEC = "docs/spec";
/** Pages of docs/spec without rules: this one, and the report of the mutation run. */
const NO_RULES = ["rules.md", "mutants.md"];

/** The pages of docs/spec that define rules. */
export function specPages(): Source[] {
  const names = readdirSync(join(ROOT, SPEC)).filter(
    (name) => name.endsWith(".md") && !NO_RULES.includes(name),
  );
  return names.sort().map((name) => ({
    path: `${SPEC}/${name}`,
    text: readFileSync(join(ROOT, SPEC, name), "utf8"),
  }));
}

/** The vectors in the folder. */
export function storedVectors(): VectorFile[] {
  const folder = join(ROOT, SPEC, "vectors");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => ({
      path: `${SPEC}/vectors/${name}`,
      json: JSON.parse(readFileSync(join(folder, name), "utf8")) as unknown,
    }));
}

/** docs/spec/rules.md: every rule, and the vectors that test it. */
export function rulesPage(pages: readonly Source[], vectors: readonly VectorFile[]): string {
  const sections = pages.flatMap((page) => {
    const rules = rulesIn(page);
    if (rules.length === 0) return [];
    const rows = rules.map((rule) => [
      rule.id,
      linkOf(rule),
      shorten(rule.text),
      vectorsOfRule(rule.id, vectors, "accepted"),
      vectorsOfRule(rule.id, vectors, "refused"),
      vectorsOfRule(rule.id, vectors, undefined),
    ]);
    const heads = ["rule", "section", "says", "accepted", "refused", "other"];
    return [`## ${basename(page.path, ".md")}\n\n${table(heads, rows)}`];
  });
  return [HEAD, ...sections].join("\n");
}

const HEAD = `<!-- Generated from docs/spec/*.md and docs/spec/vectors by \`npm run generate\`. -->
# Rules and their vectors

Every rule of the specification, shortened, and the vectors that name it: those that a reader must accept, those that it must refuse, and those
with another outcome. A reader that is lenient in one rule fails at least one of its vectors ([mutants.md](mutants.md) says how that is measured).
\`npm run check\` fails for a rule without a vector, and for a vector without a rule.
`;

function linkOf({ page, section }: Rule): string {
  const name = basename(page);
  return section === undefined ? `[${name}](${name})` : `[${section.title}](${name}#${section.anchor})`;
}

const TEXT_MAX = 120;

/** At most {@link TEXT_MAX} characters, cut between words and outside of code. */
function shorten(text: string): string {
  if (text.length <= TEXT_MAX) return text;
  const cut = text.slice(0, text.lastIndexOf(" ", TEXT_MAX));
  const isInCode = cut.split("`").length % 2 === 0;
  return `${(isInCode ? cut.slice(0, cut.lastIndexOf("`")) : cut).trimEnd()} …`;
}
