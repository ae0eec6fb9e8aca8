import { constants } from "node:os";
import { onClosedTerminal } from "./terminal.ts";

/** Aborts at the first request to stop: INT, TERM, HUP, or a terminal that is gone. Further ones change nothing. */
export interface StopSignal {
  readonly signal: AbortSignal;
  /** 128 and the signal's number, as a shell has it; 0 while nobody asked. */
  readonly exitCode: number;
}

export function listenForStop(): StopSignal {
  const controller = new AbortController();
  let exitCode = 0;
  const stop = (name: "SIGINT" | "SIGTERM" | "SIGHUP"): void => {
    if (controller.signal.aborted) return;
    exitCode = 128 + constants.signals[name];
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop(name));
  onClosedTerminal(() => stop("SIGHUP"));
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
  };
}
