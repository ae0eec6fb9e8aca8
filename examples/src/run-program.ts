import { isScbeError } from "@scbe/contracts";
import { type ConfigOf, type ConfigSpec, readConfig, type Variables } from "@scbe/runtime";
import { aborted, EXIT_CODES, exitCodeOf, stopSignal } from "@scbe/service";

export interface Program<V extends Variables> {
  /** Begins every error message. */
  readonly name: string;
  readonly config: ConfigSpec<V>;
  /** Starts the program; disposal of the result stops it. Rejects when `signal` aborts. */
  start(config: ConfigOf<V>, signal: AbortSignal): Promise<AsyncDisposable>;
}

/**
 * Runs a program as this process until TERM, INT, HUP or the end of its parent (IPC `disconnect`), and ends the process:
 * 0 stopped, 1 failed, 78 misconfigured, with all problems of the configuration at once.
 */
export async function runProgram<V extends Variables>({ name, config, start }: Program<V>): Promise<void> {
  const signal = stopSignal();
  const reading = readConfig(config, process.env);
  if (!reading.ok) {
    printProblems(`${name} cannot start: its configuration has problems`, reading.problems);
    process.exit(EXIT_CODES.misconfigured);
  }
  try {
    const running = await start(reading.config, signal);
    await aborted(signal);
    await running[Symbol.asyncDispose]();
    process.exit(EXIT_CODES.stopped);
  } catch (error) {
    if (signal.aborted && isScbeError(error, "ABORTED")) process.exit(EXIT_CODES.stopped);
    printProblems(`${name} cannot go on`, [textOf(error)]);
    process.exit(exitCodeOf(error));
  }
}

/** Prints to standard error. */
export function printProblems(what: string, problems: readonly string[]): void {
  process.stderr.write(`${what}\n${problems.map((problem) => `  ${problem}\n`).join("")}`);
}

/** One line for an expected error; the stack for a defect. */
export function textOf(error: unknown): string {
  if (isScbeError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
