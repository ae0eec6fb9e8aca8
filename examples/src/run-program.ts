import { isScbeError } from "@scbe/contracts";
import { type ConfigOf, type ConfigSpec, readConfig, type Variables } from "@scbe/runtime";
import { aborted, EXIT_CODES, exitCodeOf, stopSignal } from "@scbe/service";

export interface Program<V extends Variables> {
  /** As people call it; stands before what goes wrong. */
  readonly name: string;
  readonly config: ConfigSpec<V>;
  /** Brings it up; disposing of the result takes it down. Gives up when `signal` aborts. */
  start(config: ConfigOf<V>, signal: AbortSignal): Promise<AsyncDisposable>;
}

/**
 * Runs a program as this process until TERM, INT, HUP or the end of its parent (IPC `disconnect`), and ends the process:
 * 0 stopped, 1 failed, 78 misconfigured, with everything that is wrong with the configuration at once.
 */
export async function runProgram<V extends Variables>({ name, config, start }: Program<V>): Promise<void> {
  const signal = stopSignal();
  const reading = readConfig(config, process.env);
  if (!reading.ok) {
    complain(`${name} cannot start: its configuration has problems`, reading.problems);
    process.exit(EXIT_CODES.misconfigured);
  }
  try {
    const running = await start(reading.config, signal);
    await aborted(signal);
    await running[Symbol.asyncDispose]();
    process.exit(EXIT_CODES.stopped);
  } catch (error) {
    if (signal.aborted && isScbeError(error, "ABORTED")) process.exit(EXIT_CODES.stopped);
    complain(`${name} cannot go on`, [textOf(error)]);
    process.exit(exitCodeOf(error));
  }
}

/** Tells people on standard error. */
export function complain(what: string, problems: readonly string[]): void {
  process.stderr.write(`${what}\n${problems.map((problem) => `  ${problem}\n`).join("")}`);
}

/** What was foreseen in one line; a defect with its stack. */
export function textOf(error: unknown): string {
  if (isScbeError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
