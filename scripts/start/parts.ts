import { PROVIDER_APIS, PROVIDER_NAMES } from "@scbe/examples/providers";
import type { StartConfig } from "./config.ts";
import { pick, WAY_TO_PROVIDERS } from "./environment.ts";
import type { LocalFolder } from "./local-folder.ts";
import type { MonitoringUrls } from "./monitoring/monitoring.ts";
import { type NodeProgram, type NodeProgramOptions, nodeProgram, OPS } from "./node-program.ts";

/** What our own programs are made from. */
export interface Surroundings {
  /** Of the checkout. */
  readonly root: string;
  readonly folder: LocalFolder;
  readonly config: StartConfig;
  /** The launcher's own environment; each part gets what it needs of it, and no more. */
  readonly own: NodeJS.ProcessEnv;
  /** The environment of the user with that name on the bus. */
  env(user: string): Readonly<Record<string, string>>;
}

export interface ServiceFiles {
  readonly usersFile: string;
  readonly controlSeedFile: string;
  /** The variables of the control API's tokens. */
  readonly tokenFiles: Readonly<Record<string, string>>;
  readonly redisUrl: (() => string) | undefined;
  /** Resolves when those who watch have their ports. */
  watchers(): Promise<MonitoringUrls>;
}

/** The services, each as itself. Without `redisUrl` the replay guard keeps everything in its memory. */
export function services(
  from: Surroundings,
  { usersFile, controlSeedFile, tokenFiles, redisUrl, watchers }: ServiceFiles,
): NodeProgram[] {
  const { folder } = from;
  return [
    service(from, "keyring", () => ({
      SCBE_USERS_FILE: usersFile,
      SCBE_KMS_KEY_ID: "local",
      SCBE_KMS_KEY_FILE: folder.kmsKeyFile,
    })),
    service(from, "replay-guard", () => (redisUrl === undefined ? {} : { REDIS_URL: redisUrl() })),
    service(from, "envelope", () => ({})),
    service(
      from,
      "rollback-controller",
      async () => ({
        SCBE_CONTROL_SEED_FILE: controlSeedFile,
        SCBE_USERS_FILE: usersFile,
        ...tokenFiles,
        SCBE_CONTROL_API_HOST: "127.0.0.1",
        ...watchedBy(await watchers()),
      }),
      { [CONTROL_API]: controlApiListener(from) },
    ),
  ];
}

/** So that one can look on as a provider comes back. */
const SHORT_EXCLUSIONS = { SCBE_TRUST_EXCLUSION_MS: "1000", SCBE_TRUST_EXCLUSION_MAX_MS: "2000" };

/** The trust scorer: verifiers are not ready before they have heard its document. */
export function trustScorer(from: Surroundings, usersFile: string): NodeProgram {
  return service(from, "trust-scorer", () => ({
    SCBE_USERS_FILE: usersFile,
    ...SHORT_EXCLUSIONS,
    ...pick(from.own, Object.keys(SHORT_EXCLUSIONS)),
  }));
}

function watchedBy({ prometheus, alertmanager }: MonitoringUrls): Record<string, string> {
  return {
    ...(prometheus !== null && { PROMETHEUS_URL: prometheus }),
    ...(alertmanager !== null && { ALERTMANAGER_URL: alertmanager }),
  };
}

/** The listener of the control API, as the controller tells it. */
export const CONTROL_API = "control";

function controlApiListener({ config }: Surroundings): NodeProgramOptions["listeners"][string] {
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
  { root, folder, config, env }: Surroundings,
  name: keyof typeof OPS_PORTS,
  more: () => Record<string, string> | Promise<Record<string, string>>,
  moreListeners: NodeProgramOptions["listeners"] = {},
): NodeProgram {
  const main = `services/${name}/src/main.ts`;
  const startVariable = OPS_PORTS[name];
  const ops = { variable: "SCBE_OPS_PORT", port: config[startVariable], startVariable };
  const listeners = { [OPS]: ops, ...moreListeners };
  const all = async () => ({ ...env(name), ...(await more()), SCBE_OPS_HOST: "127.0.0.1" });
  return nodeProgram({ name, main, root, folder, listeners, env: all });
}

/** One gateway for each provider, with that provider's key where there is one. */
export function gateways({ root, folder, own, env }: Surroundings, standInUrl: () => string): NodeProgram[] {
  return PROVIDER_NAMES.map((provider) => {
    const name = `gateway-${provider}`;
    return nodeProgram({
      name,
      main: "examples/src/gateway/main.ts",
      root,
      folder,
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

/** The local stand-in for all providers. It is nobody on the bus. */
export function standIn({ root, folder }: Surroundings, env: Readonly<Record<string, string>>): NodeProgram {
  return nodeProgram({
    name: "stand-in",
    main: "examples/src/stand-in/main.ts",
    root,
    folder,
    listeners: { http: { variable: "SCBE_STAND_IN_PORT", port: 0 } },
    env: () => env,
    // It waits for nothing: it serves as soon as it listens.
    lackOf: async () => "",
  });
}
