import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { EXIT_CODES } from "@scbe/service";
import { type Exit, type RunningProcess, startProcess } from "./process.ts";
import type { Program } from "./program.ts";
import { say, warn } from "./terminal.ts";

/** Programs that start together and stop together. A program that dies is started again, after a pause that grows. */
export class Fleet implements AsyncDisposable {
  readonly #programs: Supervised[] = [];
  #stopped = false;

  /**
   * Starts programs; resolves when all of them are ready.
   * @throws Error when one of them does not start, or not in time; AbortError when `signal` aborts
   */
  async start(programs: readonly Program[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#stopped) throw new Error("the programs were told to stop");
    const started = programs.map((program) => new Supervised(program));
    this.#programs.push(...started);
    const waiting = new Set(started);
    const all = Promise.all(
      started.map(async (program) => {
        await program.ready;
        waiting.delete(program);
      }),
    );
    const timer = new AbortController();
    const late = delay(timeoutMs, undefined, { signal: AbortSignal.any([timer.signal, signal]) }).then(() => {
      const lines = [...waiting].map(({ name, lacks }) => `\n  ${name}${lacks === "" ? "" : `: ${lacks}`}`);
      throw new Error(`not ready within ${timeoutMs / 1000} s:${lines.join("")}`);
    });
    late.catch(() => undefined);
    try {
      await Promise.race([all, late]);
    } finally {
      timer.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
  }
}

/** Keeps one program running until it is disposed of. */
export class Supervised implements AsyncDisposable {
  readonly name: string;
  /** Resolves when it is ready for the first time. @throws Error with the end of its log when it does not start */
  readonly ready: Promise<void>;
  readonly #program: Program;
  readonly #stopping = new AbortController();
  readonly #firstReady = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #process: RunningProcess | undefined;
  #wasReady = false;

  constructor(program: Program) {
    this.#program = program;
    this.name = program.name;
    this.ready = this.#firstReady.promise;
    this.ready.catch(() => undefined);
    this.#running = this.#run().catch((error: unknown) => this.#firstReady.reject(error));
  }

  /** The dependencies that it still waits for; empty when unknown. */
  get lacks(): string {
    return this.#program.lacks?.() ?? "";
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      const { file, args, env, onMessage, logFile } = await this.#program.command();
      if (this.#stopping.signal.aborted) return;
      const startedAt = performance.now();
      const running = startProcess(file, args, {
        ...{ env, bareEnv: true, ownGroup: true, ipc: onMessage !== undefined },
        ...(logFile !== undefined && { logFile }),
      });
      if (onMessage !== undefined) running.child.on("message", onMessage);
      this.#process = running;
      const end = await this.#followUntilEnd(running);
      if (this.#stopping.signal.aborted) return;
      failures = countFailures(failures, performance.now() - startedAt);
      const isHopeless = failures === FIRST_TRIES || end.code === EXIT_CODES.misconfigured;
      if (!this.#wasReady && isHopeless) throw new Error(this.#failure(end, logFile));
      await this.#pause(failures, end);
    }
  }

  async #followUntilEnd(running: RunningProcess): Promise<End> {
    const gone = new AbortController();
    const following = this.#awaitReady(running.pid, AbortSignal.any([gone.signal, this.#stopping.signal]));
    const end = await running.exited.then(describeExit, (error: Error) => ({
      code: null,
      how: `cannot be run: ${error.message}`,
    }));
    gone.abort();
    await following;
    return end;
  }

  async #awaitReady(pid: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.#program.isReady(pid).catch(() => false))) {
      await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
    if (signal.aborted) return;
    if (this.#wasReady) say(`${this.name} is back`);
    this.#wasReady = true;
    this.#firstReady.resolve();
  }

  #failure({ how }: End, logFile: string | undefined): string {
    const { advice } = this.#program;
    const log = logFile === undefined ? "" : endOfLog(logFile);
    return `${this.name} does not start (${how})${log}${advice === undefined ? "" : `\n  ${advice}`}`;
  }

  async #pause(failures: number, { how }: End): Promise<void> {
    const pauseMs = restartPauseMs(failures);
    warn(`${this.name} ended (${how}); starting it again in ${pauseMs} ms`);
    await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#firstReady.reject(new Error(`${this.name} was told to stop`));
    const stopped = (await this.#process?.stop(STOP_MS)) ?? true;
    if (!stopped) warn(`${this.name} did not stop within ${STOP_MS} ms and was killed`);
    await this.#running;
  }
}

const POLL_MS = 100;
/** Failed runs before the first "ready" that end the start. One or two can fail because another program took a port that was free. */
const FIRST_TRIES = 3;
/** Longer than the services take to drain. */
const STOP_MS = 12_000;

interface End {
  readonly code: number | null;
  /** For messages. */
  readonly how: string;
}

function describeExit({ code, signal }: Exit): End {
  return { code, how: signal === null ? `exit code ${code}` : `signal ${signal}` };
}

const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 10_000;

/** The pause before the next start of a program that has failed `failures` times in a row (from 1). */
export function restartPauseMs(failures: number): number {
  return Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(failures - 1, 30));
}

/** A run of this length ends a row of failures. */
export const STEADY_MS = 30_000;

/** Failures in a row, after a run of `ranMs`. */
export function countFailures(before: number, ranMs: number): number {
  return ranMs >= STEADY_MS ? 1 : before + 1;
}

const LOG_LINES = 8;

/** The last lines of a program's log and the path of the log, to be appended to a message. */
function endOfLog(logFile: string): string {
  const lines = readLines(logFile).slice(-LOG_LINES).map(messageIn);
  return [":", ...lines, `all of it: ${logFile}`].join("\n  ");
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n");
  } catch {
    return [];
  }
}

/** Our services log JSON; third-party servers log text. */
function messageIn(line: string): string {
  try {
    const { level, msg, err } = JSON.parse(line);
    return `${level}: ${msg}${err?.message === undefined ? "" : `: ${err.message}`}`;
  } catch {
    return line;
  }
}
