import { findImports } from "./imports.ts";
import type { Source } from "./sources.ts";

/** Code that gets time, randomness and everything else of the outside world as arguments. */
interface Zone {
  readonly files: RegExp;
  /** All that may be imported beside the zone's own files. */
  readonly imports: RegExp;
  readonly globals: RegExp;
}

const AMBIENT = "process|console|performance|fetch|WebSocket|navigator";
const DATE_AND_CHANCE = String.raw`Date\.now|new Date\(\)|Math\.random`;
const TIMERS = "setTimeout|setInterval|setImmediate|queueMicrotask";

const ZONES: readonly Zone[] = [
  {
    files: /^services\/[^/]+\/src\/domain\//,
    imports: /^(@scbe\/(contracts|envelope)(\/.*)?|zod|\.\.\/ports\.ts|\.\/.*)$/,
    globals: new RegExp(
      String.raw`(?<![.\w"'])(${AMBIENT}|crypto|${TIMERS})\b(?=[.(])|${DATE_AND_CHANCE}`,
      "g",
    ),
  },
  {
    files: /^packages\/envelope\/src\//,
    imports: /^(@scbe\/contracts|node:crypto|canonicalize|hpke|nkeys\.js|zod|\.\.?\/.*)$/,
    globals: new RegExp(String.raw`(?<![.\w"'])(${AMBIENT})\b(?=[.(])|${DATE_AND_CHANCE}`, "g"),
  },
  {
    files: /^packages\/contracts\/src\//,
    imports: /^(canonicalize|zod|\.\.?\/.*)$/,
    globals: new RegExp(
      String.raw`(?<![.\w"'])(${AMBIENT}|crypto|${TIMERS})\b(?=[.(])|${DATE_AND_CHANCE}`,
      "g",
    ),
  },
];

/** What a file of a pure zone takes from the outside world; its tests may. */
export function impurities({ path, text }: Source): string[] {
  const zone = ZONES.find(({ files }) => files.test(path));
  if (zone === undefined || path.endsWith(".test.ts")) return [];
  const imported = findImports(text)
    .filter(({ specifier }) => specifier !== undefined && !zone.imports.test(specifier))
    .map(({ specifier, line }) => `${path}:${line}: ${specifier}: pure code does not import it`);
  const used = [...withoutComments(text).matchAll(zone.globals)].map(
    ([word]) => `${path}: ${word}: pure code gets it as an argument`,
  );
  return [...imported, ...used];
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/[^\n]*/g, "$1");
}
