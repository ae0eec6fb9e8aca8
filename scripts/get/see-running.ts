import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** How each tells its version; `--version` unless told. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = { jaeger: ["version"] };

/**
 * Runs a program once.
 * @returns what it says of its version
 * @throws Error when it cannot be run, with its own words
 */
export async function seeRunning(tool: string, path: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(path, ARGUMENTS[tool] ?? ["--version"], { timeout: TIMEOUT_MS });
    const said = firstLine(stdout) || firstLine(stderr);
    // What is built from a module knows no version of its own, and says so in JSON.
    return said === "" || said.startsWith("{") ? "it runs" : said;
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? firstLine(String(error.stderr)) : "";
    const why = said || (error instanceof Error ? firstLine(error.message) : "");
    throw new Error(`${path} does not run: ${why}`, { cause: error });
  }
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]?.slice(0, 120) ?? "";
}
