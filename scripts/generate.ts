import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkGenerated } from "./check/generated.ts";
import { ROOT } from "./check/sources.ts";
import { generateFiles } from "./generate/files.ts";

/** `npm run generate` writes every generated file; `--check` only says which ones are not up to date. */
if (process.argv.includes("--check")) {
  const problems = await checkGenerated();
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} else {
  for (const { path, text } of await generateFiles()) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), text);
    process.stdout.write(`${path}\n`);
  }
}
