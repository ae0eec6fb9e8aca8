import { posix } from "node:path";
import type { Source } from "./sources.ts";
import { outcomeOf, type VectorFile, vectorsIn } from "./spec-vectors.ts";

/** A rule of the specification: a table row or list item of docs/spec that begins with its id in bold (`**T3**`). */
export interface Rule {
  readonly id: string;
  /** The page that defines it, from the root. */
  readonly page: string;
  /** The heading above it; absent before the first heading. */
  readonly section?: { readonly title: string; readonly anchor: string };
  /** Its text in Markdown, without its id and without links. */
  readonly text: string;
}

const DEFINITION = /^\*\*([A-Z]{1,2}\d{1,2})\*\*(.*)$/s;
const LIST_ITEM = /^\s*(?:[-*+]|\d+[.)])\s+/;
const HEADING = /^#{1,6}\s+(.*?)\s*#*$/;

/** The rules that a page defines, in its order; code blocks and comments define none. */
export function rulesIn({ path, text }: Source): Rule[] {
  const lines = withoutHidden(text).split("\n");
  const anchors = new Map<string, number>();
  const rules: Rule[] = [];
  let section: Rule["section"];
  for (const [at, line] of lines.entries()) {
    const [, title] = HEADING.exec(line) ?? [];
    if (title !== undefined) section = { title, anchor: anchorOf(title, anchors) };
    const [, id, rest] = DEFINITION.exec(definitionAt(lines, at)) ?? [];
    if (id !== undefined && rest !== undefined)
      rules.push({ id, page: path, ...(section && { section }), text: plain(rest) });
  }
  return rules;
}

/** Blanks code blocks and comments, line by line. */
function withoutHidden(text: string): string {
  return text.replace(/^```[\s\S]*?^```|<!--[\s\S]*?-->/gm, (hidden) => hidden.replace(/[^\n]/g, ""));
}

/** The text of the table row or list item that begins in this line, from its first bold id on; "" if none begins. */
function definitionAt(lines: readonly string[], at: number): string {
  const line = lines[at] ?? "";
  if (/^\s*\|/.test(line)) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
    const from = cells.findIndex((cell) => DEFINITION.test(cell));
    if (from === -1) return "";
    const [first = "", ...others] = cells.slice(from).filter((cell) => cell !== "");
    return [first, others.join("; ")].join(" ");
  }
  if (!LIST_ITEM.test(line)) return "";
  const after = lines.slice(at + 1);
  const end = after.findIndex((next) => !/^\s+\S/.test(next) || LIST_ITEM.test(next));
  const item = [line.replace(LIST_ITEM, ""), ...after.slice(0, end === -1 ? after.length : end)];
  return item.map((part) => part.trim()).join(" ");
}

/** GitHub's anchor of a heading; a repeated title gets a number. */
function anchorOf(title: string, taken: Map<string, number>): string {
  const slug = plain(title)
    .replaceAll("`", "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
  const times = taken.get(slug) ?? 0;
  taken.set(slug, times + 1);
  return times === 0 ? slug : `${slug}-${times}`;
}

function plain(text: string): string {
  return text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^[\s:.;]+/, "")
    .trim();
}

/**
 * The problems between the rules of the pages and the vectors: repeated ids, rules without a vector or without a link to their page,
 * vectors without a rule.
 * @param pages the pages of docs/spec
 * @param others all pages of the project, for their links; the generated table of rules does not count, since it links to all
 */
export function ruleProblems(
  pages: readonly Source[],
  vectors: readonly VectorFile[],
  others: readonly Source[] = pages,
): string[] {
  const rules = pages.flatMap(rulesIn);
  const known = new Set(rules.map(({ id }) => id));
  const tested = new Set(vectors.flatMap(vectorsIn).flatMap((vector) => vector.rules));
  const linked = new Set(others.filter((page) => !GENERATED.test(page.text)).flatMap(targetsOf));
  return [
    ...rules.flatMap((rule, at) => {
      const { id, page, section } = rule;
      const first = rules.findIndex((other) => other.id === id);
      return [
        ...(first < at ? [`${page}: ${id} is defined twice, first in ${rules[first]?.page}`] : []),
        ...(section === undefined ? [`${page}: ${id} is before the first heading`] : []),
        ...(tested.has(id) || first < at ? [] : [`${page}: ${id} has no vector`]),
      ];
    }),
    ...pages
      .filter((page) => rulesIn(page).length > 0 && !linked.has(page.path))
      .map(({ path }) => `${path}: defines rules, and no other page links to it`),
    ...vectors.flatMap((file) => vectorProblems(file, known)),
  ];
}

const GENERATED = /^<!-- Generated /;

function vectorProblems(file: VectorFile, known: ReadonlySet<string>): string[] {
  const vectors = vectorsIn(file);
  const places = vectors.map(({ name, at }) => `${at.replace(/\[\d+\]$/, "")} ${name}`);
  return [
    ...(vectors.length === 0 ? [`${file.path}: holds no vector`] : []),
    ...vectors.flatMap(({ name, at, rules }, index) => {
      const where = `${file.path}: ${name === undefined ? at : JSON.stringify(name)}`;
      return [
        ...(name === undefined ? [`${where} has no name`] : []),
        ...(name !== undefined && places.indexOf(places[index] ?? "") < index
          ? [`${where} occurs twice`]
          : []),
        ...(rules.length === 0 ? [`${where} names no rule`] : []),
        ...rules.filter((id) => !known.has(id)).map((id) => `${where} names ${id}, which no page defines`),
      ];
    }),
  ];
}

/** The pages that a page links to, itself not counted. */
function targetsOf({ path, text }: Source): string[] {
  return [...withoutHidden(text).matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
    .map(([, target = ""]) => posix.join(posix.dirname(path), target))
    .filter((target) => target !== path);
}

/** The vectors of a rule as a table's cell: names by file. */
export function vectorsOfRule(
  id: string,
  files: readonly VectorFile[],
  outcome: "accepted" | "refused" | undefined,
): string {
  return files
    .flatMap((file) => {
      const names = vectorsIn(file)
        .filter((vector) => vector.rules.includes(id) && outcomeOf(vector) === outcome)
        .map(({ name }) => name ?? "");
      return names.length === 0 ? [] : [`\`${posix.basename(file.path, ".json")}\`: ${names.join("; ")}`];
    })
    .join("<br>");
}
