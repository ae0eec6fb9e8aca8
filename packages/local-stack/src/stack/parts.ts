import { PROVIDER_APIS, PROVIDER_NAMES } from "@scbe/examples/providers";
import { type NodeProgram, type NodeProgramOptions, nodeProgram, OPS } from "../node-program.ts";
import type { StartConfig } from "./config.ts";
import { pick, WAY_TO_PROVIDERS } from "./environment.ts";
import type { LocalFolder } from "./local-folder.ts";
import type { MonitoringUrls } from "./monitoring.ts";

/** What the definitions of our own programs have in common. */
export interface ProgramContext {
  /** The folder of the checkout. */
  readonly root: string;
  readonly folder: LocalFolder;
  readonly config: StartConfig;
  /** The launcher's own environment; each program gets only what it needs of it. */
  readonly own: NodeJS.ProcessEnv;
  /** The environment of a user of the bus. */
  env(user: string): Readonly<Record<string, string>>;
}

export interface ServiceFiles {
  readonly usersFile: string;
  readonly controlSeedFile: string;
  /** The variables of the control API's tokens. */
  readonly tokenFiles: Readonly<Record<string, string>>;
  readonly redisUrl: (() => string) | undefined;
  /** Resolves when the monitoring servers have their ports. */
  monitoringUrls(): Promise<MonitoringUrls>;
}

/** The services but the trust scorer. Without `redisUrl` the replay guard keeps its records in memory. */
export function services(
  context: ProgramContext,
  { usersFile, controlSeedFile, tokenFiles, redisUrl, monitoringUrls }: ServiceFiles,
): NodeProgram[] {
  const { folder } = context;
  return [
    service(context, "keyring", () => ({
      SCBE_USERS_FILE: usersFile,
      SCBE_KMS_KEY_ID: "local",
      SCBE_KMS_KEY_FILE: folder.kmsKeyFile,
    })),
    service(context, "replay-guard", () => (redisUrl === undefined ? {} : { REDIS_URL: redisUrl() })),
    service(context, "envelope", () => ({})),
    service(
      context,
      "rollback-controller",
      async () => ({
        SCBE_CONTROL_SEED_FILE: controlSeedFile,
        SCBE_USERS_FILE: usersFile,
        ...tokenFiles,
        SCBE_CONTROL_API_HOST: "127.0.0.1",
        ...addressesOf(await monitoringUrls()),
      }),
      { [CONTROL_API]: controlApiListener(context) },
    ),
  ];
}

/** Short, so that a user can watch a provider come back. */
const SHORT_EXCLUSIONS = { SCBE_TRUST_EXCLUSION_MS: "1000", SCBE_TRUST_EXCLUSION_MAX_MS: "2000" };

/** The trust scorer. Verifiers are not ready before they have received its document. */
export function trustScorer(context: ProgramContext, usersFile: string): NodeProgram {
  return service(context, "trust-scorer", () => ({
    SCBE_USERS_FILE: usersFile,
    ...SHORT_EXCLUSIONS,
    ...pick(context.own, Object.keys(SHORT_EXCLUSIONS)),
  }));
}

function addressesOf({ prometheus, alertmanager }: MonitoringUrls): Record<string, string> {
  return {
    ...(prometheus !== null && { PROMETHEUS_URL: prometheus }),
    ...(alertmanager !== null && { ALERTMANAGER_URL: alertmanager }),
  };
}

/** The name by which the controller reports the listener of the control API. */
export const CONTROL_API = "control";

function controlApiListener({ config }: ProgramContext): NodeProgramOptions["listeners"][string] {
  const startVariable = "SCBE_CONTROL_API_PORT";
  return { variable: startVariable, port: config[startVariable], startVariable };
}

const OPS_PORTS = {
  keyring: "SCBE_KEYRING_OPS_PORT",
  "replay-guard": "SCBE_REPLAY_GUARD_OPS_PORT",
  envelope: "SCBE_ENVELOPE_OPS_PORT",
  "rollback-controller": "SCBE_ROLLBACK_CONTROLLER_OPS_PORT",
  "trust-scorer": "SCBE_TRUST_SCORER_OPS_PORT",
} as const satisfies Readonly<Record<string, keyof StartConfig>>;

function service(
  { root, folder, config, env }: ProgramContext,
  name: keyof typeof OPS_PORTS,
  more: () => Record<string, string> | Promise<Record<string, string>>,
  moreListeners: NodeProgramOptions["listeners"] = {},
): NodeProgram {
  const main = `services/${name}/src/main.ts`;
  const startVariable = OPS_PORTS[name];
  const ops = { variable: "SCBE_OPS_PORT", port: config[startVariable], startVariable };
  const listeners = { [OPS]: ops, ...moreListeners };
  const all = async () => ({ ...env(name), ...(await more()), SCBE_OPS_HOST: "127.0.0.1" });
  return nodeProgram({ name, main, root, logFile: folder.logFile(name), listeners, env: all });
}

/** One gateway for each provider, with the provider's key if there is one. */
export function gateways(
  { root, folder, own, env }: ProgramContext,
  standInUrl: () => string,
): NodeProgram[] {
  return PROVIDER_NAMES.map((provider) => {
    const name = `gateway-${provider}`;
    return nodeProgram({
      name,
      main: "examples/src/gateway/main.ts",
      root,
      logFile: folder.logFile(name),
      listeners: { [OPS]: { variable: "SCBE_OPS_PORT", port: 0 } },
      env: () => ({
        ...env(name),
        SCBE_OPS_HOST: "127.0.0.1",
        ...pick(own, [...WAY_TO_PROVIDERS, ...PROVIDER_APIS[provider].keyVariables]),
        SCBE_GATEWAY_PROVIDER: provider,
        SCBE_STAND_IN_URL: standInUrl(),
      }),
    });
  });
}

/** The local stand-in for all providers. It has no user on the bus. */
export function standIn(
  { root, folder }: ProgramContext,
  env: Readonly<Record<string, string>>,
): NodeProgram {
  return nodeProgram({
    name: "stand-in",
    main: "examples/src/stand-in/main.ts",
    root,
    logFile: folder.logFile("stand-in"),
    listeners: { http: { variable: "SCBE_STAND_IN_PORT", port: 0 } },
    env: () => env,
    // It depends on nothing: it serves as soon as it listens.
    lackOf: async () => "",
  });
}
