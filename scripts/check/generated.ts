import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateFiles } from "../generate/files.ts";
import { ROOT } from "./sources.ts";

/** Generated files that differ from what the code generates. */
export async function checkGenerated(): Promise<string[]> {
  const files = await generateFiles();
  return files
    .filter(
      ({ path, text }) => !existsSync(join(ROOT, path)) || readFileSync(join(ROOT, path), "utf8") !== text,
    )
    .map(({ path }) => `${path} is not up to date: npm run generate`);
}
