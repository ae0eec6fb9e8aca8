import { posix } from "node:path";
import { findImports } from "./imports.ts";
import type { Source } from "./sources.ts";

/** Code that gets time, randomness and everything else of the outside world as arguments. */
interface Zone {
  /** True of a path from the root. */
  readonly has: (path: string) => boolean;
  /** Modules that the zone's files import. */
  readonly modules: RegExp;
  /** Files that they import beside those of the zone. */
  readonly files?: RegExp;
  readonly globals: RegExp;
}

/** Decisions that stand beside the code which they serve. */
const PURE_FILES: ReadonlySet<string> = new Set(
  [
    ...[
      "alerts/decide",
      "alerts/firings",
      "alerts/processed-state",
      "alerts/read-webhook",
      "alerts/triggers",
    ],
    "audit/chain",
    ...["control/confirmation", "control/known-verifiers", "control/next-document", "control/state"],
  ].map((name) => `services/rollback-controller/src/${name}.ts`),
);

const AMBIENT = "process|console|performance|fetch|WebSocket|navigator|parseArgs";
const DATE_AND_CHANCE = String.raw`Date\.now|new Date\(\)|Math\.random`;
const TIMERS = "setTimeout|setInterval|setImmediate|queueMicrotask";

const ZONES: readonly Zone[] = [
  {
    has: (path) => PURE_FILES.has(path) || /^services\/[^/]+\/src\/domain\//.test(path),
    modules: /^(@scbe\/(contracts|envelope)(\/.*)?|node:util|zod)$/,
    files: /^services\/[^/]+\/src\/ports\.ts$/,
    globals: new RegExp(
      String.raw`(?<![.\w"'])(${AMBIENT}|crypto|${TIMERS})\b(?=[.(])|${DATE_AND_CHANCE}`,
      "g",
    ),
  },
  {
    has: (path) => path.startsWith("packages/envelope/src/"),
    modules: /^(@scbe\/contracts|node:crypto|canonicalize|hpke|nkeys\.js|zod)$/,
    globals: new RegExp(String.raw`(?<![.\w"'])(${AMBIENT})\b(?=[.(])|${DATE_AND_CHANCE}`, "g"),
  },
  {
    has: (path) => path.startsWith("packages/contracts/src/"),
    modules: /^(canonicalize|zod)$/,
    globals: new RegExp(
      String.raw`(?<![.\w"'])(${AMBIENT}|crypto|${TIMERS})\b(?=[.(])|${DATE_AND_CHANCE}`,
      "g",
    ),
  },
];

/** What a file of a pure zone takes from the outside world; its tests may. */
export function impurities({ path, text }: Source): string[] {
  const zone = ZONES.find(({ has }) => has(path));
  if (zone === undefined || path.endsWith(".test.ts")) return [];
  const imported = findImports(text)
    .filter(({ specifier }) => specifier !== undefined && !mayImport(zone, path, specifier))
    .map(({ specifier, line }) => `${path}:${line}: ${specifier}: pure code does not import it`);
  const used = [...withoutComments(text).matchAll(zone.globals)].map(
    ([word]) => `${path}: ${word}: pure code gets it as an argument`,
  );
  return [...imported, ...used];
}

function mayImport({ has, modules, files }: Zone, path: string, specifier: string): boolean {
  if (!specifier.startsWith(".")) return modules.test(specifier);
  const file = posix.join(posix.dirname(path), specifier);
  return has(file) || files?.test(file) === true;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/[^\n]*/g, "$1");
}
