import { globSync } from "node:fs";

/** The code that decides which messages are accepted, and that writes messages: patterns from the root. */
const READERS = [
  "packages/envelope/src/**/*.ts",
  "packages/contracts/src/{control,epoch,headers,keyring,message,names,nkey,parameters,refusals,replay,subjects}.ts",
  "packages/verifier/src/held-keys.ts",
  "packages/verifier/src/control/{control-rules,held-control,lease}.ts",
  "services/keyring/src/domain/{judge-grant-request,openable}.ts",
];

/** Files without a rule of the specification: randomness that is drawn ahead, and the hash of the audit. */
const NOT_MUTATED = ["packages/envelope/src/random-pool.ts", "packages/envelope/src/control/chain-hash.ts"];

/**
 * The files that are mutated, from the root.
 * @throws Error for a pattern, or a name in braces, that no file has
 */
export function targetsIn(root: string, patterns: readonly string[] = READERS): string[] {
  const files = patterns.flatMap(namesOf).flatMap((pattern) => {
    const found = globSync(pattern, { cwd: root }).map((path) => path.replaceAll("\\", "/"));
    if (found.length === 0) throw new Error(`${pattern}: there is no such file`);
    return found;
  });
  return [...new Set(files)]
    .filter((path) => !path.endsWith(".test.ts") && !NOT_MUTATED.includes(path))
    .sort();
}

/** `a/{b,c}.ts` as `a/b.ts` and `a/c.ts`, so that a missing one is an error. */
function namesOf(pattern: string): string[] {
  const [, before = "", names, after = ""] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [];
  return names === undefined ? [pattern] : names.split(",").map((name) => before + name + after);
}
