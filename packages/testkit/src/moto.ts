import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { type RunningProcess, startProcess } from "./start-process.ts";

const MOTO_VERSION = "5.2.5";
const INSTALL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 30_000;
const START_ATTEMPTS = 3;
const CACHE = fileURLToPath(new URL("../../../.cache/moto/", import.meta.url));
const HOME = join(CACHE, MOTO_VERSION);
const run = promisify(execFile);

/** moto's server, a stand-in for the AWS API that speaks the real KMS protocol; its keys live as long as it does. */
export interface MotoServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What a process needs in its environment so that the AWS SDK reaches this server. */
  readonly env: Readonly<Record<string, string>>;
}

export type MotoAvailability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Installs moto's server into the project's `.cache` when it is not there yet (a Python environment of its own; about a
 * minute, once). Several processes may call it at once.
 * @returns why it cannot be had, for a test that then skips
 * @throws Error instead when `SCBE_REQUIRE_ALL=1`
 */
export async function installMoto(): Promise<MotoAvailability> {
  try {
    if (!existsSync(HOME)) await withLock(join(CACHE, "lock"), install);
    return { ok: true };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    const reason = `moto's server ${MOTO_VERSION} cannot be installed: ${why}`;
    if (process.env.SCBE_REQUIRE_ALL === "1") throw new Error(reason, { cause });
    process.stderr.write(`skipped: ${reason}\n`);
    return { ok: false, reason };
  }
}

/** A fresh moto server on a free port of the loopback; call {@link installMoto} first. */
export async function startMoto(): Promise<MotoServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const server = startProcess(join(HOME, "bin", "python"), serverArguments(port));
    const url = `http://127.0.0.1:${port}`;
    if (await answers(server, url)) return describe(server, url);
    await server.kill();
    if (attempt === START_ATTEMPTS) throw new Error(`moto's server did not start:\n${server.stderr}`);
  }
}

function serverArguments(port: number): string[] {
  // run as a module: the scripts beside it carry the path of the folder that it was installed in
  return ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)];
}

function describe(server: RunningProcess, url: string): MotoServer {
  return {
    url,
    pid: server.pid,
    env: {
      AWS_ENDPOINT_URL_KMS: url,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "testing",
      AWS_SECRET_ACCESS_KEY: "testing",
    },
    [Symbol.asyncDispose]: () => server.kill(),
  };
}

async function install(): Promise<void> {
  if (existsSync(HOME)) return;
  const draft = await mkdtemp(join(CACHE, "draft-"));
  try {
    await run("python3", ["-m", "venv", draft], { timeout: INSTALL_TIMEOUT_MS });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    await run(join(draft, "bin", "python"), [...pip, `moto[server]==${MOTO_VERSION}`], {
      timeout: INSTALL_TIMEOUT_MS,
    });
    await rename(draft, HOME);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Holds a lock file that names its owner's pid; one whose owner is gone, or that never got a pid, is taken away. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const deadline = Date.now() + INSTALL_TIMEOUT_MS;
  while (!(await takeLock(path))) {
    if (Date.now() > deadline) throw new Error(`another process holds ${path}`);
    await sleep(250);
  }
  try {
    await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (await isAbandoned(path)) await rm(path, { force: true });
    return false;
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, "utf8"));
    if (pid > 0) return !isAlive(pid);
    return Date.now() - (await stat(path)).mtimeMs > 5000;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function answers(server: RunningProcess, url: string): Promise<boolean> {
  const { child } = server;
  const answer = async (): Promise<boolean> => {
    const response = await fetch(`${url}/moto-api/data.json`, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  };
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const isSettled = async (): Promise<boolean> => ended() || (await answer());
  const settled = await eventually(isSettled, { timeoutMs: START_TIMEOUT_MS, everyMs: 50 }).catch(
    () => false,
  );
  return settled && !ended();
}
