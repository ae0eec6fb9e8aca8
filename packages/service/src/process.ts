import { isScbeError } from "@scbe/contracts";
import { z } from "zod";

/**
 * Exit codes of every program: 2 for wrong arguments, sysexits.h's EX_CONFIG (78) for an unusable configuration, in a variable or in a file that a
 * variable names.
 */
export const EXIT_CODES = { stopped: 0, failed: 1, misused: 2, misconfigured: 78 } as const;

/** The exit code for an error that ends a program: 78 for an error of its own configuration, which no restart fixes. */
export function exitCodeOf(error: unknown): number {
  const isOwn = isScbeError(error, "BAD_REQUEST") || isScbeError(error, "FORBIDDEN");
  return isOwn ? EXIT_CODES.misconfigured : EXIT_CODES.failed;
}

/**
 * Aborts at the first request to stop: TERM, INT, HUP, or the end of the parent (IPC `disconnect`). Further requests change nothing, so that a
 * second one does not cut the shutdown short.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, stop);
  process.on("disconnect", stop);
  return controller.signal;
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Sent by a program to its parent process over the IPC channel: a port that it listens on. */
const Listening = z.object({
  scbe: z.literal("listening"),
  on: z.string(),
  port: z.int().min(1).max(65_535),
});

/**
 * Reports the port of a listener to the parent process, if there is a channel to it. With port 0, no other way to learn the port is safe from other
 * programs.
 * @param on the listener: `ops`, `control`
 */
export function reportListening(on: string, port: number): void {
  const message: z.infer<typeof Listening> = { scbe: "listening", on, port };
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** The listener and port in a child's message; `undefined` for any other message. */
export function readListening(message: unknown): { readonly on: string; readonly port: number } | undefined {
  return Listening.safeParse(message).data;
}
