import { type ConfigValues, choice, defineConfig, integer, path, stateFolder } from "@scbe/runtime";
import { accepts } from "../ports.ts";

/** Every variable of `npm start` itself. It configures what it starts; `SCBE_*` variables of limits and times pass through. */
export const startConfig = defineConfig({
  SCBE_LOCAL_DIR: stateFolder({
    default: ".local",
    doc: "Where credentials, keys, stores and logs of the local stack are kept, from the root of the checkout.",
  }),
  SCBE_ENVELOPE_OPS_PORT: opsPort(7101, "envelope service"),
  SCBE_KEYRING_OPS_PORT: opsPort(7102, "keyring"),
  SCBE_REPLAY_GUARD_OPS_PORT: opsPort(7103, "replay guard"),
  SCBE_ROLLBACK_CONTROLLER_OPS_PORT: opsPort(7105, "rollback controller"),
  SCBE_CONTROL_API_PORT: integer({
    default: 7100,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: "The control API, on 127.0.0.1; 0 picks a free port.",
  }),
  SCBE_TRUST_SCORER_OPS_PORT: opsPort(7104, "trust scorer"),
  SCBE_NATS_SERVER: path({ doc: "The program; npm start finds or installs it by itself." }),
  SCBE_REDIS_SERVER: path({
    optional: true,
    doc: "The program, found like nats-server; without it the replay guard keeps everything in its memory.",
  }),
  SCBE_PROMETHEUS: optionalProgram("npm run get prometheus"),
  SCBE_PROMETHEUS_PORT: usualPort(9090, "Prometheus"),
  SCBE_ALERTMANAGER: optionalProgram("npm run get alertmanager"),
  SCBE_ALERTMANAGER_PORT: usualPort(9093, "Alertmanager"),
  SCBE_JAEGER: optionalProgram("npm run get jaeger"),
  SCBE_JAEGER_PORT: usualPort(16_686, "Jaeger's pages and query API"),
  SCBE_JAEGER_OTLP_PORT: usualPort(4318, "Jaeger's receiver of traces, OTLP over HTTP"),
  LOG_LEVEL: choice(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
    default: "info",
    doc: "The least severe level that the parts write into their logs.",
  }),
});
export type StartConfig = ConfigValues<typeof startConfig>;

function opsPort(number: number, of: string) {
  return integer({
    default: number,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: `Health and metrics of the ${of}, on 127.0.0.1; 0 picks a free port.`,
  });
}

function optionalProgram(bring: string) {
  return path({
    optional: true,
    doc: `The program, found by npm start itself; without it there is none (\`${bring}\` brings it).`,
  });
}

/** The port of a server that is optional: if it is taken, another one is used. */
function usualPort(number: number, of: string) {
  return integer({
    default: number,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: `${of}, on 127.0.0.1; a free port where it is taken, and for 0.`,
  });
}

const VARIABLES = [
  "SCBE_ENVELOPE_OPS_PORT",
  "SCBE_KEYRING_OPS_PORT",
  "SCBE_REPLAY_GUARD_OPS_PORT",
  "SCBE_ROLLBACK_CONTROLLER_OPS_PORT",
  "SCBE_CONTROL_API_PORT",
  "SCBE_TRUST_SCORER_OPS_PORT",
] as const satisfies (keyof StartConfig)[];

/** Ports of optional servers: if one is taken, another one is picked. */
const OF_MONITORING = [
  "SCBE_PROMETHEUS_PORT",
  "SCBE_ALERTMANAGER_PORT",
  "SCBE_JAEGER_PORT",
  "SCBE_JAEGER_OTLP_PORT",
] as const satisfies (keyof StartConfig)[];

/** The configuration for `--ports auto`: every server picks a free port. */
export function withAutoPorts(config: StartConfig): StartConfig {
  const all = [...VARIABLES, ...OF_MONITORING];
  return { ...config, ...Object.fromEntries(all.map((name) => [name, 0])) };
}

/** One sentence for each wanted port that another program listens on, to be reported before anything is started. */
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
