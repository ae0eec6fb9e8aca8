import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { checkBoundaries } from "./check/boundaries.ts";
import { checkGenerated } from "./check/generated.ts";
import { checkLinks } from "./check/links.ts";
import { ruleProblems } from "./check/rules.ts";
import { ROOT, readSources } from "./check/sources.ts";
import { specPages, storedVectors } from "./generate/rules-page.ts";

/** `npm run check`: every check that does not run the code. All parts run; each problem is a line. */
const PARTS: readonly { readonly name: string; readonly run: () => Promise<readonly string[]> }[] = [
  {
    name: "format and lint",
    run: () => tool("@biomejs/biome/bin/biome", ["check", "--error-on-warnings", "."]),
  },
  { name: "types", run: () => tool("typescript/bin/tsc", ["-p", "tsconfig.json"]) },
  { name: "boundaries", run: async () => checkBoundaries(readSources(/\.(ts|mjs)$/)) },
  { name: "links in the documentation", run: async () => checkLinks(readSources(/\.md$/)) },
  {
    name: "rules and vectors",
    run: async () => ruleProblems(specPages(), storedVectors(), readSources(/\.md$/)),
  },
  { name: "generated files", run: checkGenerated },
];

let failed = 0;
for (const { name, run } of PARTS) {
  const problems = await run();
  if (problems.length > 0) failed += 1;
  process.stdout.write(`${problems.length === 0 ? "ok    " : "FAILED"} ${name}\n`);
  for (const problem of problems) process.stdout.write(`       ${problem}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;

/** Runs a tool; its output is the problem if it fails. */
async function tool(script: string, args: readonly string[]): Promise<readonly string[]> {
  const child = spawn(process.execPath, [join("node_modules", script), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => lines.push(text));
  }
  const [code] = await once(child, "close");
  return code === 0 ? [] : lines.join("").trimEnd().split("\n");
}
