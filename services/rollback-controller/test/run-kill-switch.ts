import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import type { SecuredNats } from "@scbe/testkit";

const SCRIPT = new URL("../../../scripts/scbe-kill-switch.sh", import.meta.url).pathname;

export type Variables = Readonly<Record<string, string>>;

/** Runs scbe-kill-switch.sh with the given variables and PATH alone. */
export async function runKillSwitch(words: readonly string[], variables: Variables = {}) {
  const env = { PATH: variables.PATH ?? process.env.PATH, ...variables };
  const child = spawn("bash", [SCRIPT, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text.out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text.err += chunk;
  });
  const [code] = await once(child, "close");
  return { code, ...text };
}

/** The variables that `--offline` needs, as the user operator of a deployment `dev`, without the store's credentials. */
export function offlineVariables(nats: SecuredNats): Variables {
  return {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    NATS_URL: nats.url,
    ...nats.credentials.environment("operator"),
    SCBE_ENVIRONMENT: "dev",
    SCBE_CONTROL_SEED_FILE: nats.credentials.controlSeedFile,
  };
}

/** The credentials of `--offline` for the store. */
export function offlineStore(nats: SecuredNats): Variables {
  return { NATS_STORE_NKEY_SEED_FILE: nats.storeTransport("control", "offline").nkeySeedFile ?? "" };
}
