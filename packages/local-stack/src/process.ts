import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "./eventually.ts";
import { findExecutable } from "./find-tool.ts";

export interface ProcessOptions {
  readonly cwd?: string;
  /** Added to this process's environment, or, with `bareEnv`, the whole environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly bareEnv?: boolean;
  /** Opens an IPC channel; when this process ends, the child sees `disconnect`. */
  readonly ipc?: boolean;
  /** Appends the output to this file instead of keeping it in memory. */
  readonly logFile?: string;
  /**
   * Starts it in a process group of its own. Ctrl-C in the terminal then does not reach it, and signals from here go to the whole group.
   */
  readonly ownGroup?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess extends AsyncDisposable {
  /** -1 when the program cannot be run. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything written so far; empty with a `logFile`. */
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when it has ended and all of its output was read. Rejects when the program cannot be run. */
  readonly exited: Promise<Exit>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after `deadlineMs`; resolves at its end. @returns true when SIGTERM was enough */
  stop(deadlineMs: number): Promise<boolean>;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** SIGSTOP, and wait until it took effect: it holds its sockets and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Waits until its output has a match. @throws Error with the output when the process ends first, or the time is up */
  output(pattern: RegExp, options?: { timeoutMs?: number }): Promise<RegExpMatchArray>;
}

/**
 * Starts a program that does not outlive this one, even when this one is killed: on Linux the kernel then sends SIGKILL
 * (`setpriv --pdeathsig`).
 */
export function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): RunningProcess {
  const { cwd, env, bareEnv = false, ipc = false, logFile, ownGroup = false } = options;
  const [program = command, ...words] = [...tether(), command, ...args];
  const log = logFile === undefined ? undefined : openSync(logFile, "a", 0o600);
  const output = log ?? "pipe";
  const child = spawn(program, words, {
    stdio: ["ignore", output, output, ...(ipc ? (["ipc"] as const) : [])],
    env: { ...(bareEnv ? {} : process.env), ...env },
    detached: ownGroup,
    ...(cwd !== undefined && { cwd }),
  });
  if (log !== undefined) closeSync(log);
  return new Running(child, ownGroup);
}

/** All that a process has written so far. */
export function outputOf({ stdout, stderr }: RunningProcess): string {
  return stdout + stderr;
}

/** setpriv executes the program in its own place, so the child's id is the program's. */
function tether(): string[] {
  const setpriv = process.platform === "linux" ? findExecutable("setpriv") : undefined;
  return setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL", "--"];
}

const alive = new Set<Running>();

/** Where the kernel does not kill them: nothing is left behind by a process that ends on its own. */
process.on("exit", () => {
  for (const running of alive) running.signal("SIGKILL");
});

const OUTPUT_MAX = 4 * 1024 * 1024;

class Running implements RunningProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  readonly #isGroup: boolean;
  readonly #output = { stdout: "", stderr: "" };

  constructor(child: ChildProcess, isGroup: boolean) {
    this.child = child;
    this.#isGroup = isGroup;
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.#output[name] = (this.#output[name] + text).slice(-OUTPUT_MAX);
      });
    }
    alive.add(this);
    this.exited = endOf(child).finally(() => alive.delete(this));
    this.exited.catch(() => undefined);
  }

  get #ended(): boolean {
    return !alive.has(this);
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  signal(name: NodeJS.Signals): void {
    const { pid } = this.child;
    if (!this.#isGroup || pid === undefined) {
      this.child.kill(name);
      return;
    }
    try {
      process.kill(-pid, name);
    } catch {
      // It has ended.
    }
  }

  async stop(deadlineMs: number): Promise<boolean> {
    if (!this.#ended) this.signal("SIGTERM");
    const exited = this.exited.catch(() => undefined);
    const waiting = new AbortController();
    const late = delay(deadlineMs, true, { signal: waiting.signal }).catch(() => false);
    const isLate = await Promise.race([late, exited.then(() => false)]);
    waiting.abort();
    if (isLate) await this.kill();
    return !isLate;
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.signal("SIGKILL");
    await this.exited.catch(() => undefined);
  }

  pause(): void {
    this.child.kill("SIGSTOP");
    waitUntilStopped(this.pid);
  }

  resume(): void {
    this.child.kill("SIGCONT");
  }

  async output(
    pattern: RegExp,
    { timeoutMs = 10_000 }: { timeoutMs?: number } = {},
  ): Promise<RegExpMatchArray> {
    const find = (): RegExpMatchArray | null => `${this.stdout}\n${this.stderr}`.match(pattern);
    await eventually(() => this.#ended || find() !== null, { timeoutMs }).catch(() => undefined);
    const found = find();
    if (found !== null) return found;
    const why = this.#ended ? "ended" : `ran for ${timeoutMs} ms`;
    throw new Error(
      `${this.child.spawnfile} ${why} without saying ${pattern}:\n${this.stdout}${this.stderr}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Waits for the exit and for the output. Node's own event for both, `close`, does not come when the IPC channel was closed from here. */
async function endOf(child: ChildProcess): Promise<Exit> {
  const streams = [child.stdout, child.stderr].flatMap((stream) =>
    stream === null ? [] : [once(stream, "close")],
  );
  const [[code, signal]] = await Promise.all([once(child, "exit"), ...streams]);
  return { code, signal };
}

const STOP_TRIES = 1000;

/** SIGSTOP takes effect a little later, thread by thread; /proc shows when every thread has stopped. */
function waitUntilStopped(pid: number): void {
  if (process.platform !== "linux") return;
  for (let tries = 0; tries < STOP_TRIES && !isStopped(pid); tries += 1) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

function isStopped(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  return (
    !existsSync(threads) ||
    readdirSync(threads).every((thread) => /\) T/.test(readFileSync(`${threads}/${thread}/stat`, "utf8")))
  );
}
