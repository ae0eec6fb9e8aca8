import { setTimeout as delay } from "node:timers/promises";
import { outputOf, type RunningProcess, startProcess } from "./process.ts";

/**
 * How a program is started, and how it shows that it serves. The one definition of each server: `npm start` keeps it running
 * ({@link Supervised}), and tests start it once ({@link startProgram}).
 */
export interface Program {
  readonly name: string;
  /** Called before every run. */
  command(): Command | Promise<Command>;
  /** True when the process with that id serves. Polled. */
  isReady(pid: number): Promise<boolean>;
  /** A hint for a first start that fails. */
  readonly advice?: string;
  /** The dependencies that it still waits for, where it reports them. */
  lacks?(): string;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Receives what the program sends over an IPC channel. The program ends when the channel does. */
  readonly onMessage?: (message: unknown) => void;
  /** Without it, the output is kept in memory. */
  readonly logFile?: string;
}

/** A server as a program, and its address once it is ready. */
export interface Server {
  readonly program: Program;
  readonly url: string;
}

/** The options that every definition of a server has. */
export interface ServerOptions {
  /** The path of the program. */
  readonly file: string;
  /** The whole environment. */
  readonly env: NodeJS.ProcessEnv;
  readonly logFile?: string;
}

const TRIES = 5;
const READY_TIMEOUT_MS = 20_000;
const POLL_MS = 20;

/**
 * Runs a program once, and resolves when it is ready. When another program has one of its ports, it is run again: its definition then
 * tries other ports.
 * @throws Error with the program's output when it does not start
 */
export async function startProgram(
  program: Program,
  { timeoutMs = READY_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<RunningProcess> {
  for (let tries = 1; ; tries += 1) {
    const { file, args, env } = await program.command();
    const running = startProcess(file, args, { env, bareEnv: true });
    if (await becomesReady(program, running, timeoutMs)) return running;
    await running.kill();
    if (tries === TRIES || !/address already in use/i.test(outputOf(running))) {
      throw new Error(`${program.name} did not start:\n${outputOf(running)}`);
    }
  }
}

async function becomesReady(program: Program, running: RunningProcess, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  let ended = false;
  const onEnd = (): void => {
    ended = true;
  };
  void running.exited.then(onEnd, onEnd);
  while (performance.now() < deadline) {
    const isReady = await program.isReady(running.pid).catch(() => false);
    if (ended || isReady) return !ended;
    await delay(POLL_MS);
  }
  return false;
}

/** True for an answer with 200. @throws Error when there is none */
export async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  await response.body?.cancel();
  return response.ok;
}
