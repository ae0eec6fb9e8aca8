import { posix } from "node:path";
import { impurities } from "./pure.ts";
import { findImports, type Source } from "./sources.ts";

/** An import as the rules see it: from one file of the project to a file or a module. */
interface Edge {
  /** The importing file. */
  readonly from: string;
  /** A path from the root for a file or package of ours (`services/keyring`), otherwise the module's name. */
  readonly to: string;
  readonly relative: boolean;
}

interface Rule {
  readonly says: string;
  broken(edge: Edge): boolean;
}

/** The files that may import a module. */
const ONLY_FROM: readonly { readonly module: RegExp; readonly from: RegExp; readonly says: string }[] = [
  {
    module: /^(nats|@nats-io\/.*)$/,
    from: /^(packages\/(bus|credentials|testkit)\/|tests\/(access|bench)\/|tests\/kit\/tap\.ts$)/,
    says: "only bus, credentials, the testkit, tests/access, tests/bench and tests/kit/tap.ts import the NATS client",
  },
  {
    module: /^@(aws-sdk|smithy)(\/|$)/,
    from: /^(services\/keyring\/|tests\/)/,
    says: "only the keyring talks to KMS",
  },
  {
    module: /^(ioredis|redis)$/,
    from: /^(services\/replay-guard\/|tests\/)/,
    says: "only the replay guard talks to Redis",
  },
  {
    module: /^prom-client$/,
    from: /^(packages\/(service\/src\/ops-server\.ts$|testkit\/)|tests\/|.*\.test\.ts$|.*\/test\/)/,
    says: "metrics are those of the table in contracts, made by runtime's counter, gauge, histogram",
  },
  {
    module: /^packages\/testkit$/,
    from: /^(packages\/testkit\/|tests\/|.*\.test\.ts$|.*\/test\/)/,
    says: "the testkit is for tests",
  },
];

/** Each package after the packages that it may import. */
const LAYERS = [
  "packages/contracts",
  "packages/envelope",
  "packages/runtime",
  "packages/bus",
  "packages/verifier",
  "packages/client",
  "packages/service",
  "packages/credentials",
  "packages/local-stack",
  "packages/cli",
];

/** Packages that run the services and the example programs. */
const RUNNERS = ["packages/local-stack", "packages/cli"];

/** The bootstrap imports it before the packages are installed. */
const BEFORE_PACKAGES = "packages/runtime/src/lock-file.mjs";
/** `npm run get` installs programs as the bootstrap does. */
const BOOTSTRAP = /^scripts\/bootstrap\//;

const RULES: readonly Rule[] = [
  {
    says: "services do not import each other",
    broken: ({ from, to }) => isIn("services", from) && isIn("services", to) && unitOf(from) !== unitOf(to),
  },
  {
    says: "packages import neither services nor programs",
    broken: ({ from, to }) =>
      isIn("packages", from) &&
      !(RUNNERS.includes(unitOf(from)) && /^(services|examples|scripts\/bootstrap)(\/|$)/.test(to)) &&
      /^(services|examples|scripts|tests)(\/|$)/.test(to),
  },
  {
    says: "a package imports only packages below it, and not the testkit",
    broken: ({ from, to }) =>
      isPackageSource(from) && isIn("packages", to) && !below(from).includes(unitOf(to)),
  },
  {
    says: "a relative import stays inside its package",
    broken: ({ from, to, relative }) =>
      relative &&
      unitOf(from) !== unitOf(to) &&
      to !== BEFORE_PACKAGES &&
      !(isIn("packages/cli", from) && BOOTSTRAP.test(to)),
  },
  ...ONLY_FROM.map(({ module, from: allowed, says }) => ({
    says,
    broken: ({ from, to }: Edge) => module.test(to) && !allowed.test(from),
  })),
];

/** Holds broken imports as text, to see them found. */
const PLANTS = "scripts/check/boundaries.test.ts";

/** Every import that crosses a boundary, and every side effect in pure code. */
export function checkBoundaries(sources: readonly Source[]): string[] {
  const checked = sources.filter(({ path }) => path !== PLANTS);
  return checked.flatMap((source) => [...crossings(source), ...impurities(source)]);
}

function crossings({ path, text }: Source): string[] {
  return findImports(text).flatMap(({ specifier, line }) => {
    const at = `${path}:${line}`;
    if (specifier === undefined) {
      return isProduct(path) ? [`${at}: a computed import cannot be checked`] : [];
    }
    const edge = edgeOf(path, specifier);
    return RULES.filter((rule) => rule.broken(edge)).map((rule) => `${at}: ${specifier}: ${rule.says}`);
  });
}

function edgeOf(from: string, specifier: string): Edge {
  if (specifier.startsWith(".")) {
    return { from, to: posix.join(posix.dirname(from), specifier), relative: true };
  }
  return { from, to: HOMES[packageOf(specifier)] ?? packageOf(specifier), relative: false };
}

/** The folders of the packages of this workspace. */
const HOMES: Readonly<Record<string, string>> = {
  "@scbe/bus": "packages/bus",
  "@scbe/cli": "packages/cli",
  "@scbe/client": "packages/client",
  "@scbe/contracts": "packages/contracts",
  "@scbe/credentials": "packages/credentials",
  "@scbe/envelope": "packages/envelope",
  "@scbe/envelope-service": "services/envelope",
  "@scbe/examples": "examples",
  "@scbe/keyring": "services/keyring",
  "@scbe/replay-guard": "services/replay-guard",
  "@scbe/rollback-controller": "services/rollback-controller",
  "@scbe/local-stack": "packages/local-stack",
  "@scbe/runtime": "packages/runtime",
  "@scbe/service": "packages/service",
  "@scbe/testkit": "packages/testkit",
  "@scbe/trust-scorer": "services/trust-scorer",
  "@scbe/verifier": "packages/verifier",
};

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function isIn(folder: string, path: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** The package or top folder that a path belongs to. */
function unitOf(path: string): string {
  const depth = /^(packages|services)\//.test(path) ? 2 : 1;
  return path.split("/", depth).join("/");
}

/** Of a package of the product, without its tests. */
function isPackageSource(path: string): boolean {
  return LAYERS.includes(unitOf(path)) && !path.endsWith(".test.ts") && !path.includes("/test/");
}

/** Its own package, and those that it may import. */
function below(path: string): string[] {
  return LAYERS.slice(0, LAYERS.indexOf(unitOf(path)) + 1);
}

function isProduct(path: string): boolean {
  return /^(packages|services|examples)\//.test(path) && !path.endsWith(".test.ts");
}
