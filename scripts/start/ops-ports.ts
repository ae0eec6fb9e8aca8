import type { StartConfig } from "./config.ts";
import { accepts } from "./port.ts";

const VARIABLES = [
  "SCBE_ENVELOPE_OPS_PORT",
  "SCBE_KEYRING_OPS_PORT",
  "SCBE_REPLAY_GUARD_OPS_PORT",
  "SCBE_ROLLBACK_CONTROLLER_OPS_PORT",
  "SCBE_CONTROL_API_PORT",
  "SCBE_TRUST_SCORER_OPS_PORT",
] as const satisfies (keyof StartConfig)[];

/** Those of what can be done without: where they are taken, others are picked. */
const OF_MONITORING = [
  "SCBE_PROMETHEUS_PORT",
  "SCBE_ALERTMANAGER_PORT",
  "SCBE_JAEGER_PORT",
  "SCBE_JAEGER_OTLP_PORT",
] as const satisfies (keyof StartConfig)[];

/** The same configuration with free ports. */
export function withAutoPorts(config: StartConfig): StartConfig {
  const all = [...VARIABLES, ...OF_MONITORING];
  return { ...config, ...Object.fromEntries(all.map((name) => [name, 0])) };
}

/** One sentence for each port of ours that another program listens on: told before anything is started. */
export async function takenPorts(config: StartConfig): Promise<string[]> {
  const problems = await Promise.all(
    VARIABLES.map(async (name) => {
      const port = config[name];
      if (port === 0 || !(await accepts(port))) return [];
      return [`port ${port} of 127.0.0.1 is taken: set ${name} to a free one, or use --ports auto`];
    }),
  );
  return problems.flat();
}
