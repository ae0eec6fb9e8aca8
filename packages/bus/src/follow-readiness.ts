import type { Readiness } from "@scbe/runtime";
import type { BusService } from "./bus.ts";

/**
 * Keeps a service in its queue groups exactly while the process is ready, so that callers of one that is not hear
 * `no responders` at once and another member gets the request. Dispose to stop following; that leaves nothing.
 */
export function followReadiness(service: BusService, readiness: Readiness): Disposable {
  const follow = (ready: boolean): void => {
    if (ready) void service.join();
    else void service.leave();
  };
  follow(readiness.ready);
  return readiness.onChange(follow);
}
