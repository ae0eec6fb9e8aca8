import { join } from "node:path";
import { PROVIDER_APIS, PROVIDER_NAMES } from "@scbe/examples/providers";
import type { StartConfig } from "./config.ts";
import { pick, WAY_TO_PROVIDERS } from "./environment.ts";
import type { LocalFolder } from "./local-folder.ts";
import type { MonitoringUrls } from "./monitoring/monitoring.ts";
import { type NodeProgram, nodeProgram } from "./node-program.ts";
import { Port } from "./port.ts";
import type { Program } from "./supervised.ts";

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
  readonly askersFile: string;
  readonly controlSeedFile: string;
  /** The variables of the control API's tokens. */
  readonly tokenFiles: Readonly<Record<string, string>>;
  readonly redisUrl: (() => string) | undefined;
  /** Where those who watch are to be. */
  watchers(): MonitoringUrls;
}

/** The services, each as itself. Without `redisUrl` the replay guard keeps everything in its memory. */
export function services(
  from: Surroundings,
  { askersFile, controlSeedFile, tokenFiles, redisUrl, watchers }: ServiceFiles,
): NodeProgram[] {
  const { config, folder } = from;
  return [
    service(from, "keyring", config.SCBE_KEYRING_OPS_PORT, () => ({
      SCBE_KEYRING_ASKERS_FILE: askersFile,
      SCBE_KMS_KEY_ID: "local",
      SCBE_KMS_KEY_FILE: folder.kmsKeyFile,
    })),
    service(from, "replay-guard", config.SCBE_REPLAY_GUARD_OPS_PORT, () =>
      redisUrl === undefined ? {} : { REDIS_URL: redisUrl() },
    ),
    service(from, "envelope", config.SCBE_ENVELOPE_OPS_PORT, () => ({})),
    service(from, "rollback-controller", config.SCBE_ROLLBACK_CONTROLLER_OPS_PORT, () => ({
      SCBE_CONTROL_SEED_FILE: controlSeedFile,
      ...tokenFiles,
      ...watchedBy(watchers()),
    })),
  ];
}

/** So that one can look on as a provider comes back. */
const SHORT_EXCLUSIONS = { SCBE_TRUST_EXCLUSION_MS: "1000", SCBE_TRUST_EXCLUSION_MAX_MS: "2000" };

/** The trust scorer, without which requests are served as well. */
export function trustScorer(from: Surroundings): NodeProgram {
  return service(from, "trust-scorer", from.config.SCBE_TRUST_SCORER_OPS_PORT, () => ({
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

function service(
  { root, folder, env }: Surroundings,
  name: string,
  opsPort: number,
  more: () => Record<string, string>,
): NodeProgram {
  const main = `services/${name}/src/main.ts`;
  return nodeProgram({ name, main, root, folder, opsPort, env: () => ({ ...env(name), ...more() }) });
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
      opsPort: 0,
      env: () => ({
        ...env(name),
        ...pick(own, [...WAY_TO_PROVIDERS, ...PROVIDER_APIS[provider].keyVariables]),
        SCBE_GATEWAY_PROVIDER: provider,
        SCBE_STAND_IN_URL: standInUrl(),
      }),
    });
  });
}

export interface StandIn {
  readonly program: Program;
  readonly url: string;
}

/** The local stand-in for all providers. It is nobody on the bus. */
export function standIn({ root, folder }: Surroundings, env: Readonly<Record<string, string>>): StandIn {
  const port = new Port();
  return {
    program: {
      name: "stand-in",
      command: async () => ({
        file: process.execPath,
        args: [join(root, "examples/src/stand-in/main.ts")],
        env: { ...env, SCBE_STAND_IN_PORT: String(await port.take()) },
        ipc: true,
        logFile: folder.logFile("stand-in"),
      }),
      isReady: () => isStandIn(`http://127.0.0.1:${port.number}`),
      onReady: () => port.keep(),
    },
    get url() {
      return `http://127.0.0.1:${port.number}`;
    },
  };
}

const ANSWER_MS_MAX = 2000;

/** Somebody else may have taken the port in the meantime. */
async function isStandIn(url: string): Promise<boolean> {
  const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  return (await response.text()).includes("scbe stand-in");
}
