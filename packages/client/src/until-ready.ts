import { ScbeError } from "@scbe/contracts";
import type { Readiness } from "@scbe/service-kit";

/**
 * Resolves when all that `readiness` speaks of is here.
 * @throws ScbeError TIMEOUT after `timeoutMs`, naming what is missing and why; ABORTED
 */
export async function untilReady(
  readiness: Readiness,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(new ScbeError("ABORTED", "connecting was given up"));
  const onTimeout = (): void =>
    reject(new ScbeError("TIMEOUT", `not ready within the deadline: ${missing(readiness)}`));
  using _following = readiness.onChange((isReady) => {
    if (isReady) resolve();
  });
  const timer = setTimeout(onTimeout, Math.max(0, timeoutMs));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  else if (readiness.ready) resolve();
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
