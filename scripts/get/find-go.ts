import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findExecutable, TOOLS } from "../bootstrap/tools.mjs";

const GO_MIN: readonly [number, number] = [1, 26];
const run = promisify(execFile);

/**
 * The path of a Go that builds a tool.
 * @throws Error that says what to do
 */
export async function findGo(tool: string): Promise<string> {
  const [major, minor] = GO_MIN;
  const wanted = `Go >= ${major}.${minor} builds ${tool}; install it, or set ${TOOLS[tool]?.variable} to the path of a ${tool}`;
  const go = findExecutable("go", ["/usr/local/go/bin"]);
  if (go === undefined) throw new Error(`there is no Go here: ${wanted}`);
  const { stdout } = await run(go, ["env", "GOVERSION"]);
  if (!isNewEnough(stdout.trim())) throw new Error(`${go} is ${stdout.trim()}: ${wanted}`);
  return go;
}

/** @param version as in `go1.26.8`; one that cannot be read is tried */
function isNewEnough(version: string): boolean {
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return true;
  return Number(major) > GO_MIN[0] || Number(minor) >= GO_MIN[1];
}
