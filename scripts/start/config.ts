import { type ConfigValues, choice, defineConfig, integer, path, stateFolder } from "@scbe/runtime";

/** Every variable of `npm start` itself. What it starts is configured by it; `SCBE_*` variables of limits and times pass through. */
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

/** Unlike a part's, it is not needed: where it is taken another one will do. */
function usualPort(number: number, of: string) {
  return integer({
    default: number,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: `${of}, on 127.0.0.1; a free port where it is taken, and for 0.`,
  });
}
