import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { takeLock } from "@scbe/runtime";
import { listensOn, Port } from "./ports.ts";
import { isOk, startProgram } from "./program.ts";

const MOTO_VERSION = "5.2.5";
const INSTALL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 30_000;
const CACHE = fileURLToPath(new URL("../../../.cache/moto/", import.meta.url));
const HOME = join(CACHE, MOTO_VERSION);
const run = promisify(execFile);

/** moto's server: a local stand-in for the AWS API, with the real KMS protocol. Its keys live in its memory. */
export interface MotoServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** The variables by which the AWS SDK of a process reaches this server. */
  readonly env: Readonly<Record<string, string>>;
}

export type MotoAvailability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Installs moto's server into the project's `.cache` if it is missing (a Python environment of its own; about a minute, once). Several
 * processes can call it at once.
 * @returns a reason to skip the test when it cannot be installed
 * @throws Error instead when `SCBE_REQUIRE_ALL=1`
 */
export async function installMoto(): Promise<MotoAvailability> {
  try {
    if (!existsSync(HOME)) await withLock(CACHE, install);
    return { ok: true };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    const reason = `moto's server ${MOTO_VERSION} cannot be installed: ${why}`;
    if (process.env.SCBE_REQUIRE_ALL === "1") throw new Error(reason, { cause });
    process.stderr.write(`skipped: ${reason}\n`);
    return { ok: false, reason };
  }
}

/** Starts a fresh moto server on loopback; call {@link installMoto} first. */
export async function startMoto(): Promise<MotoServer> {
  const port = new Port();
  const url = (): string => `http://127.0.0.1:${port.number}`;
  const program = {
    name: "moto",
    command: () => ({
      file: join(HOME, "bin", "python"),
      // Run as a module: the scripts beside it hold the path of the folder that pip installed them in.
      args: ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port.try())],
      env: process.env,
    }),
    isReady: async (pid: number) => listensOn(pid, port.number) && isOk(`${url()}/moto-api/data.json`),
  };
  const server = await startProgram(program, { timeoutMs: START_TIMEOUT_MS });
  return {
    url: url(),
    pid: server.pid,
    env: {
      AWS_ENDPOINT_URL_KMS: url(),
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

/** One process at a time installs it. */
async function withLock(folder: string, work: () => Promise<void>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const deadline = Date.now() + INSTALL_TIMEOUT_MS;
  let lock = takeLock(folder);
  for (; lock.kind === "held"; lock = takeLock(folder)) {
    if (Date.now() > deadline) throw new Error(`process ${lock.pid} holds the lock in ${folder}`);
    await sleep(250);
  }
  try {
    await work();
  } finally {
    lock.release();
  }
}
