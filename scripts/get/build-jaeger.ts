import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { withoutNpm } from "../bootstrap/environment.mjs";
import { say } from "../bootstrap/say.mjs";
import { findGo } from "./find-go.ts";
import { runLong } from "./run-long.ts";

const MODULE = "github.com/jaegertracing/jaeger@v1.76.0";
const DOWNLOAD_TIMEOUT_MS = 300_000;
const run = promisify(execFile);

/**
 * Builds Jaeger 2 from its module's source. `go install` refuses to, because of a replace line in it.
 * @param folder gets the program as `jaeger`
 * @throws Error that says what to do
 */
export async function buildJaeger(folder: string): Promise<void> {
  const go = await findGo("jaeger");
  say(`building jaeger from ${MODULE}: about five minutes, once`);
  const source = await download(go, folder);
  const copy = join(folder, "source");
  // Modules in Go's cache cannot be written, and a build writes beside its go.mod.
  await run("cp", ["-R", source, copy]);
  await run("chmod", ["-R", "u+w", copy]);
  await runLong("building jaeger", go, ["build", "-o", join(folder, "jaeger"), "./cmd/jaeger"], {
    cwd: copy,
  });
}

/** @returns where its source is, in Go's own cache */
async function download(go: string, cwd: string): Promise<string> {
  say(`fetching its source: go mod download ${MODULE}`);
  const env = withoutNpm(process.env);
  try {
    const options = { cwd, env, timeout: DOWNLOAD_TIMEOUT_MS };
    const { stdout } = await run(go, ["mod", "download", "-json", MODULE], options);
    return String(JSON.parse(stdout).Dir);
  } catch (error) {
    throw new Error(`go mod download ${MODULE} failed: ${whyIn(error)}`, { cause: error });
  }
}

/** Go tells it in its JSON, when it gets as far. */
function whyIn(error: unknown): string {
  const stdout = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
  try {
    return String(JSON.parse(stdout).Error);
  } catch {
    return error instanceof Error ? error.message : String(error);
  }
}
