import { findImports, type Source } from "./sources.ts";

/** Pure code: time, randomness and input arrive as arguments. */
interface Zone {
  readonly files: RegExp;
  /** The imports that the zone may have beside its own files. */
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

/** The side effects and forbidden imports of a file of a pure zone; tests may have them. */
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
