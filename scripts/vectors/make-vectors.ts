import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { vectorFiles } from "./vector-files.ts";

/**
 * `node scripts/vectors/make-vectors.ts` writes docs/spec/vectors; with `--check` it only names the files that are not
 * what it would write, and leaves with 1 if there are any.
 */
const ROOT = join(import.meta.dirname, "../..");

for (const { path, text } of vectorFiles()) {
  const target = join(ROOT, path);
  if (existsSync(target) && readFileSync(target, "utf8") === text) continue;
  process.stdout.write(`${path}\n`);
  if (process.argv.includes("--check")) {
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}
