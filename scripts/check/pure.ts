import { posix } from "node:path";
import { findImports, type Source } from "./sources.ts";

/** Pure code: time, randomness and input arrive as arguments. */
interface Zone {
  /** True of a path from the root. */
  readonly has: (path: string) => boolean;
  /** Modules that the zone's files import. */
  readonly modules: RegExp;
  /** Files that they import beside those of the zone. */
  readonly files?: RegExp;
  readonly globals: RegExp;
}

/** The decisions and views of the controller's API, canary, trust and notices. */
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

/** Pure files beside impure ones. They may import types from anywhere: types do nothing at run time. */
export const PURE_FILES: ReadonlySet<string> = new Set([
  ...CONTROLLER_API_FILES,
  ...[
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
]);

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

/** The side effects and forbidden imports of a file of a pure zone; tests may have them. */
export function impurities({ path, text }: Source): string[] {
  const zone = ZONES.find(({ has }) => has(path));
  if (zone === undefined || path.endsWith(".test.ts")) return [];
  const imported = findImports(PURE_FILES.has(path) ? withoutTypes(text) : text)
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

/** Without `import type`, in place of which as many lines are left. */
function withoutTypes(text: string): string {
  return text.replace(/^import type [^;]*;/gm, (types) => types.replace(/[^\n]/g, ""));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/[^\n]*/g, "$1");
}
