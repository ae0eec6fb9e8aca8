import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Answer, Fate, Job } from "./trial.ts";

export interface PoolOptions {
  /** Absolute: the folder of the sources. */
  readonly root: string;
  /** From the root: a module that exports `specCases()`. */
  readonly entry: string;
  readonly processes: number;
  /** The deadlines of one case, and of all of them. */
  readonly caseMs: number;
  readonly trialMs: number;
}

export interface Tried {
  readonly file: string;
  readonly source: string;
}

const PROGRAM = join(import.meta.dirname, "trial-process.ts");
/** Modules of past trials stay in memory. */
const TRIALS_MAX = 250;
/** Cases that are run before all others. */
const FIRST_MAX = 40;

/** Processes that try mutants, each mutant with its own modules. */
export class TrialPool {
  readonly #options: PoolOptions;
  readonly #kills = new Map<string, Map<string, number>>();
  readonly #children = new Set<ChildProcess>();
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** All cases on the unchanged sources. */
  async runUnchanged(): Promise<Answer> {
    const child = this.#start();
    try {
      const answer = await this.#ask(child, { first: [], caseMs: this.#options.caseMs, all: true });
      return typeof answer === "string" ? { ran: 0, cases: 0, failed: [answer], loaded: [] } : answer;
    } finally {
      this.#end(child);
    }
  }

  /**
   * Tries all, a few at a time, and reports each when it is done. Ends early and silently when the pool is closed.
   * @param loaded the files that the cases import: a mutant of another file survives untried
   */
  async runAll<T extends Tried>(
    mutants: readonly T[],
    loaded: readonly string[],
    tell: (mutant: T, fate: Fate) => void,
  ): Promise<void> {
    const queue = mutants.values();
    const work = async (): Promise<void> => {
      let child: ChildProcess | undefined;
      let served = 0;
      for (const mutant of queue) {
        if (this.#isClosed) break;
        if (!loaded.includes(mutant.file)) {
          tell(mutant, { kind: "not loaded" });
          continue;
        }
        child ??= this.#start();
        let answer = await this.#ask(child, this.#jobOf(mutant));
        served += 1;
        if (typeof answer === "string" && served > 1) {
          // A fresh process shows whether this mutant or the state of an earlier one was the cause.
          this.#end(child);
          child = this.#start();
          answer = await this.#ask(child, this.#jobOf(mutant));
        }
        if (this.#isClosed) break;
        tell(mutant, this.#fateOf(mutant, answer));
        if (typeof answer !== "string" && served < TRIALS_MAX) continue;
        this.#end(child);
        child = undefined;
        served = 0;
      }
      if (child) this.#end(child);
    };
    await Promise.all(Array.from({ length: this.#options.processes }, work));
  }

  /** Ends every process at once. */
  close(): void {
    this.#isClosed = true;
    for (const child of this.#children) this.#end(child);
  }

  #jobOf({ file, source }: Tried): Job {
    const byCount = (kills: ReadonlyMap<string, number> = new Map()): string[] =>
      [...kills].sort(([, one], [, other]) => other - one).map(([name]) => name);
    const first = [...new Set([...byCount(this.#kills.get(file)), ...byCount(this.#kills.get(""))])];
    return {
      changed: { file, source },
      first: first.slice(0, FIRST_MAX),
      caseMs: this.#options.caseMs,
      all: false,
    };
  }

  #fateOf({ file }: Tried, answer: Answer | string): Fate {
    if (typeof answer === "string") return { kind: "killed", by: answer };
    const [by] = answer.failed;
    if (by === undefined) return { kind: "survived" };
    for (const scope of [file, ""]) {
      const kills = this.#kills.get(scope) ?? new Map<string, number>();
      this.#kills.set(scope, kills.set(by, (kills.get(by) ?? 0) + 1));
    }
    return { kind: "killed", by };
  }

  #start(): ChildProcess {
    const { root, entry } = this.#options;
    const child = fork(PROGRAM, [root, entry], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#children.add(child);
    return child;
  }

  #end(child: ChildProcess): void {
    this.#children.delete(child);
    child.kill("SIGKILL");
  }

  /** The reply; a text if there is none, because the process has crashed or its time is up. */
  #ask(child: ChildProcess, job: Job): Promise<Answer | string> {
    return new Promise((settle) => {
      const done = (answer: Answer | string): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        settle(answer);
      };
      const timer = setTimeout(() => done("(time limit)"), this.#options.trialMs);
      child.once("message", (answer) => done(answer as Answer));
      child.once("exit", () => done("(crash)"));
      child.once("error", () => done("(crash)"));
      child.send(job, (error) => error && done("(crash)"));
    });
  }
}
