import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { eventually } from "./eventually.ts";
import { findExecutable } from "./find-tool.ts";

export interface ProcessOptions {
  readonly cwd?: string;
  /** Added to this process's environment, or, with `bareEnv`, all of it. */
  readonly env?: Readonly<Record<string, string>>;
  readonly bareEnv?: boolean;
  /** Opens an IPC channel; when this process ends, the child sees `disconnect`. */
  readonly ipc?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything written so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when it has ended and all of its output was read. */
  readonly exited: Promise<Exit>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** SIGSTOP, and wait until it took effect: it holds its sockets and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Waits until its output has a match. @throws Error with the output, when it ends or the time is up before */
  output(pattern: RegExp, options?: { timeoutMs?: number }): Promise<RegExpMatchArray>;
}

/**
 * Starts a program that does not outlive this one, not even when this one is killed: on Linux the kernel sends it
 * SIGKILL then (`setpriv --pdeathsig`).
 */
export function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): RunningProcess {
  const [program, ...words] = [...tether(), command, ...args];
  const child = spawn(program ?? command, words, {
    stdio: ["ignore", "pipe", "pipe", ...(options.ipc === true ? (["ipc"] as const) : [])],
    env: { ...(options.bareEnv === true ? {} : process.env), ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  return new Running(child);
}

const STOP_TRIES = 1000;

/** The signal is sent at once and obeyed a little later, by one thread after the other; Linux tells when all have. */
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

function tether(): string[] {
  const setpriv = process.platform === "linux" ? findExecutable("setpriv") : undefined;
  return setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL", "--"];
}

/** Its end, once its output is read. Node's own event for both, `close`, stays out when the IPC channel was closed from here. */
async function endOf(child: ChildProcess): Promise<Exit> {
  const streams = [child.stdout, child.stderr].flatMap((stream) =>
    stream === null ? [] : [once(stream, "close")],
  );
  const [[code, signal]] = await Promise.all([once(child, "exit"), ...streams]);
  return { code, signal };
}

const OUTPUT_MAX = 4 * 1024 * 1024;

class Running implements RunningProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  readonly #output = { stdout: "", stderr: "" };
  #ended = false;

  constructor(child: ChildProcess) {
    this.child = child;
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.#output[name] = (this.#output[name] + text).slice(-OUTPUT_MAX);
      });
    }
    this.exited = endOf(child).then((exit) => {
      this.#ended = true;
      return exit;
    });
    this.exited.catch(() => {
      this.#ended = true;
    });
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
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.child.kill("SIGKILL");
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
