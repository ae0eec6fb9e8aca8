import type { opsVariables, transportVariables } from "./config/groups.ts";
import type { ConfigOf, ConfigSpec, Variables } from "./config/variable.ts";
import type { Host } from "./host.ts";

/** The variables that every service reads. */
export type HostVariables = Variables & typeof transportVariables & ReturnType<typeof opsVariables>;

export interface ServiceProgram<V extends HostVariables> {
  /** The service's name: of its NATS connection, inbox and log lines. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly config: ConfigSpec<V>;
  /** Brings the service up; what it returns is disposed of first when the process stops. */
  start(config: ConfigOf<V>, host: Host): Promise<AsyncDisposable>;
}

/**
 * Runs one service as this process: configuration, log, ops port, bus, service; then waits for TERM, INT or the
 * parent's end, and takes all of it down in reverse order. Sets the exit code: 0 stopped, 1 failed, 78 misconfigured.
 */
export async function runService<V extends HostVariables>(program: ServiceProgram<V>): Promise<void> {
  throw new Error(`not written yet: ${program.name}`);
}
