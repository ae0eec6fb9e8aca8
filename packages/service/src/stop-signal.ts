/**
 * Aborts at the first request to stop: TERM, INT, HUP, or the end of the parent (IPC `disconnect`). Further ones change
 * nothing, so that no shutdown is cut short by a second.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, stop);
  process.on("disconnect", stop);
  return controller.signal;
}

/** Resolves when it aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
