import { ScbeError } from "@scbe/contracts";
import type { Readiness } from "@scbe/runtime";

/** What makes a process usable without all of it. */
export interface ReadyWhen {
  holds(): boolean;
  /** Runs whenever {@link holds} may say something else. */
  onChange(listener: () => void): Disposable;
}

export interface UntilReadyOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly enough?: ReadyWhen | undefined;
}

/**
 * Resolves when all that `readiness` speaks of is here, or `enough` of it.
 * @throws ScbeError TIMEOUT after `timeoutMs`, naming what is missing and why; ABORTED
 */
export async function untilReady(
  readiness: Readiness,
  { timeoutMs, signal, enough }: UntilReadyOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(new ScbeError("ABORTED", "connecting was given up"));
  const onTimeout = (): void =>
    reject(new ScbeError("TIMEOUT", `not ready within the deadline: ${missing(readiness)}`));
  const look = (): void => {
    if (readiness.ready || enough?.holds() === true) resolve();
  };
  using _following = readiness.onChange(look);
  using _looking = enough?.onChange(look);
  const timer = setTimeout(onTimeout, Math.max(0, timeoutMs));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  else look();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function missing(readiness: Readiness): string {
  return readiness
    .report()
    .filter(({ ok }) => !ok)
    .map(({ name, reason }) => `${name}: ${reason ?? "away"}`)
    .join("; ");
}
