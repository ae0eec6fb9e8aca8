import { setTimeout as delay } from "node:timers/promises";
import { type Program, Supervised } from "./supervised.ts";

/** Programs that start together and stop together. */
export class Fleet implements AsyncDisposable {
  readonly #programs: Supervised[] = [];
  #stopped = false;

  /**
   * Starts programs; resolves when all of them are ready.
   * @throws Error when one of them does not start, or not in time; AbortError when `signal` gives up
   */
  async start(programs: readonly Program[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#stopped) throw new Error("it was told to stop");
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
