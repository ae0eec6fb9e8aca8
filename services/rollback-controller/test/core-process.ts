import { fileURLToPath } from "node:url";
import { eventually, type SecuredNats, startProcess } from "@scbe/testkit";
import { LEASE_MS, LONG, PROVIDERS } from "./core-controller.ts";

export const LEADER_MS = 900;
export const TOKEN = "admin-token-of-a-test";

const PROGRAM = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const name = "rollback-controller";

/** A controller as its own process, as in production. */
export async function launchController(nats: SecuredNats, variables: Readonly<Record<string, string>> = {}) {
  const running = startProcess(process.execPath, [PROGRAM], {
    bareEnv: true,
    ipc: true,
    env: {
      PATH: process.env.PATH ?? "",
      NATS_URL: nats.url,
      ...nats.credentials.environment(name),
      SCBE_ENVIRONMENT: "dev",
      SCBE_PROVIDERS: PROVIDERS.join(","),
      SCBE_OPS_PORT: "0",
      SCBE_CONTROL_API_PORT: "0",
      SCBE_CONTROL_SEED_FILE: nats.credentials.controlSeedFile,
      SCBE_USERS_FILE: nats.credentials.usersFile,
      SCBE_CONTROL_LEASE_MS: String(LEASE_MS),
      SCBE_CONTROL_LEADER_MS: String(LEADER_MS),
      ADMIN_TOKEN: TOKEN,
      ...variables,
    },
  });
  const urls = new Map<string, string>();
  const urlOf = async (port: "opsPort" | "apiPort"): Promise<string> => {
    const url =
      urls.get(port) ?? `http://127.0.0.1:${(await running.output(new RegExp(`"${port}":(\\d+)`), LONG))[1]}`;
    urls.set(port, url);
    return url;
  };
  const [opsUrl, apiUrl] = [() => urlOf("opsPort"), () => urlOf("apiPort")];
  const metric = async (metric: string): Promise<number> => {
    const text = await (await fetch(`${await opsUrl()}/metrics`)).text();
    const line = text.split("\n").find((it) => it.startsWith(`${metric} `));
    return Number(line?.split(" ").at(-1));
  };
  return {
    running,
    /** Of its API. */
    url: apiUrl,
    opsUrl,
    /** The value of a series without labels. */
    metric,
    ready: () => eventually(async () => (await fetch(`${await opsUrl()}/readyz`)).ok, LONG),
    leases: () => metric("scbe_control_leases_answered_total"),
    /** Refused lease requests. */
    busy: () => metric('scbe_endpoint_busy_total{endpoint="lease"}'),
    leads: async () => (await metric("scbe_control_leading")) === 1,
    /** The kill switch, as a person or a script engages it; the HTTP status. */
    kill: async (): Promise<number> => {
      const body = JSON.stringify({ scbe_kill_switch: { enabled: true, reason: "a test" } });
      const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
      return (await fetch(`${await apiUrl()}/feature-flags`, { method: "POST", headers, body })).status;
    },
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

export type ControllerProcess = Awaited<ReturnType<typeof launchController>>;
