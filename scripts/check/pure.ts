import { posix } from "node:path";
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

/** The files of the controller's API, canary, trust and notices that decide and render. What they need from outside is an argument. */
const CONTROLLER_API_FILES = [
  "api/audit",
  "api/canary",
  "api/fields",
  "api/flag-state",
  "api/flags",
  "api/flags-view",
  "api/health",
  "api/kill",
  "api/metrics",
  "api/refusal",
  "api/route",
  "api/skew-window",
  "api/trust",
  "canary/advance",
  "canary/criteria",
  "canary/decide",
  "canary/measure",
  "canary/orders",
  "canary/record",
  "canary/replay",
  "canary/sequential-test",
  "canary/share",
  "canary/store",
  "notify/notice",
  "notify/pagerduty",
  "notify/slack",
  "trust/in-force",
  "trust/overrides",
  "trust/view",
].map((name) => `services/rollback-controller/src/${name}.ts`);

/** Pure files beside impure ones. They may import each other, and types from anywhere: types do nothing at run time. */
export const PURE_FILES: ReadonlySet<string> = new Set(CONTROLLER_API_FILES);

const DOMAIN = /^services\/[^/]+\/src\/domain\//;

const ZONES: readonly Zone[] = [
  {
    files: DOMAIN,
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

const LISTED: Zone = {
  files: /^$/,
  imports: /^(@scbe\/(contracts|envelope)(\/.*)?|zod)$/,
  globals: new RegExp(
    String.raw`(?<![.\w"'])(${AMBIENT}|crypto|${TIMERS})\b(?=[.(])|${DATE_AND_CHANCE}`,
    "g",
  ),
};

/** What a file of a pure zone takes from the outside world; its tests may. */
export function impurities({ path, text }: Source): string[] {
  const isListed = PURE_FILES.has(path);
  const zone = isListed ? LISTED : ZONES.find(({ files }) => files.test(path));
  if (zone === undefined || path.endsWith(".test.ts")) return [];
  const mayImport = (specifier: string): boolean =>
    zone.imports.test(specifier) || (specifier.startsWith(".") && isPure(posix.join(path, "..", specifier)));
  const imported = findImports(isListed ? withoutTypes(text) : text)
    .filter(({ specifier }) => specifier !== undefined && !mayImport(specifier))
    .map(({ specifier, line }) => `${path}:${line}: ${specifier}: pure code does not import it`);
  const used = [...withoutComments(text).matchAll(zone.globals)].map(
    ([word]) => `${path}: ${word}: pure code gets it as an argument`,
  );
  return [...imported, ...used];
}

function isPure(path: string): boolean {
  return PURE_FILES.has(path) || DOMAIN.test(path);
}

/** Without `import type`, in place of which as many lines are left. */
function withoutTypes(text: string): string {
  return text.replace(/^import type [^;]*;/gm, (types) => types.replace(/[^\n]/g, ""));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/[^\n]*/g, "$1");
}
