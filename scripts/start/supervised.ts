import { setTimeout as delay } from "node:timers/promises";
import { EXIT_CODES } from "@scbe/service";
import { countFailures, restartPauseMs } from "./backoff.ts";
import { type Child, type Command, type Exit, startChild } from "./child.ts";
import { lastWords } from "./last-words.ts";
import { say, warn } from "./terminal.ts";

/** Something that is to run until it is told to stop. */
export interface Program {
  readonly name: string;
  /** Asked before every run. */
  command(): Promise<Command>;
  /** True when that process does its work. Asked again and again, until it says so. */
  isReady(pid: number): Promise<boolean>;
  /** Where its first start fails: what may help, in words. */
  readonly advice?: string;
  /** What it still waits for, in words, where it says so. */
  lacks?(): string;
}

/** Keeps a program running: when it dies it is started again, after a pause that grows. */
export class Supervised implements AsyncDisposable {
  readonly name: string;
  /** Resolves when it was ready for the first time. @throws Error when it does not get there, with its last words */
  readonly ready: Promise<void>;
  readonly #program: Program;
  readonly #stopping = new AbortController();
  readonly #firstReady = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #child: Child | undefined;
  #wasReady = false;

  constructor(program: Program) {
    this.#program = program;
    this.name = program.name;
    this.ready = this.#firstReady.promise;
    this.ready.catch(() => undefined);
    this.#running = this.#run().catch((error: unknown) => this.#firstReady.reject(error));
  }

  /** What it waits for while it is not ready; empty where nobody knows. */
  get lacks(): string {
    return this.#program.lacks?.() ?? "";
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      const command = await this.#program.command();
      if (this.#stopping.signal.aborted) return;
      const child = startChild(command);
      this.#child = child;
      const exit = await this.#followUntilExit(child);
      if (this.#stopping.signal.aborted) return;
      failures = countFailures(failures, performance.now() - child.startedAt);
      if (!this.#wasReady && (failures === FIRST_TRIES || exit.code === EXIT_CODES.misconfigured)) {
        const { advice } = this.#program;
        const words = lastWords(command.logFile);
        throw new Error(
          `${this.name} does not start (${exit.how})${words}${advice === undefined ? "" : `\n  ${advice}`}`,
        );
      }
      await this.#pause(failures, exit);
    }
  }

  async #followUntilExit(child: Child): Promise<Exit> {
    const gone = new AbortController();
    const following = this.#awaitReady(child.pid, AbortSignal.any([gone.signal, this.#stopping.signal]));
    const exit = await child.exited;
    gone.abort();
    await following;
    return exit;
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

  async #pause(failures: number, { how }: Exit): Promise<void> {
    const pauseMs = restartPauseMs(failures);
    warn(`${this.name} ended (${how}); starting it again in ${pauseMs} ms`);
    await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#firstReady.reject(new Error(`${this.name} was told to stop`));
    const stopped = (await this.#child?.stop(STOP_MS)) ?? true;
    if (!stopped) warn(`${this.name} did not stop within ${STOP_MS} ms and was killed`);
    await this.#running;
  }
}

const POLL_MS = 100;
/** Runs before the first "ready": two may fail, as when somebody else took a port that was free. */
const FIRST_TRIES = 3;
/** Above the time that the parts have to drain. */
const STOP_MS = 12_000;
