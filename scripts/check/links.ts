import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, type Source } from "./sources.ts";

/** Links between the project's own files that point nowhere; addresses on the web are not visited. */
export function checkLinks(
  sources: readonly Source[],
  exists: (path: string) => boolean = (path) => existsSync(join(ROOT, path)),
): string[] {
  return sources.flatMap(({ path, text }) =>
    linksOf(text)
      .filter((target) => !exists(join(dirname(path), target)))
      .map((target) => `${path}: ${target} does not exist`),
  );
}

const LINK = /\]\(([^)\s]+)\)/g;

function linksOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/(`+)[^`].*?\1/g, "");
  return [...prose.matchAll(LINK)]
    .map((match) => match[1]?.split("#")[0] ?? "")
    .filter((target) => target !== "" && !/^[a-z]+:/i.test(target))
    .map(decodeURIComponent);
}
