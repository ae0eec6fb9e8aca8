import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { provision } from "@scbe/bus";
import { STORE_ACCOUNTS } from "@scbe/contracts";
import { issueCredentials } from "@scbe/credentials";
import { createLogger } from "@scbe/service";
import {
  type Certificates,
  connectProbe,
  createCertificates,
  createTempDir,
  natsVersions,
  startNats,
  type TempDir,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { productionStoreUsers, productionUsers } from "./nats-config.ts";

const CONFIG = fileURLToPath(new URL("../../infra/nats/nats.conf", import.meta.url));
const log = createLogger({ name: "test", level: "silent" });

describe.each(natsVersions())("infra/nats/nats.conf on nats-server $version", ({ program = "" }) => {
  let dir: TempDir;
  let files: Certificates;
  let variables: Record<string, string>;

  beforeAll(() => {
    dir = createTempDir();
    files = createCertificates(dir.path);
    const { users, stores } = issueCredentials(dir.path, { env: "prod", providers: providersOf() });
    const nkeyOf = new Map([...users, ...stores].map(({ name, nkey }) => [name, nkey]));
    variables = {
      SCBE_NATS_TLS_CERT: files.serverCert,
      SCBE_NATS_TLS_KEY: files.serverKey,
      SCBE_NATS_STORE_DIR: join(dir.path, "store"),
      ...Object.fromEntries(
        [...productionUsers(), ...productionStoreUsers()].map(({ name, nkey }) => [
          nkey.slice(1),
          nkeyOf.get(name) ?? "",
        ]),
      ),
    };
  });
  afterAll(() => dir[Symbol.dispose]());

  const check = (env: Record<string, string>) =>
    spawnSync(program, ["-t", "-c", CONFIG], { encoding: "utf8", env });

  it.skipIf(program === "")("is accepted when every variable is set", () => {
    const { status, stderr } = check(variables);
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining("is valid") });
  });

  it.skipIf(program === "")("is refused when a variable is missing, and lets no user in by accident", () => {
    expect(Object.keys(variables).length).toBeGreaterThan(10);
    for (const name of Object.keys(variables)) {
      const { [name]: _, ...others } = variables;
      const { status, stderr } = check(others);
      expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(name) });
    }
  });

  it.skipIf(program === "")("serves its users over TLS, and no other clients", async () => {
    await using server = await startNats({ configFile: CONFIG, program, env: variables });
    const servers = [server.url.replace("nats:", "tls:")];
    const transports = STORE_ACCOUNTS.map((account) => ({
      ...{ servers, account, user: "provision" as const },
      ...{ tlsCaFile: files.ca, nkeySeedFile: join(dir.path, `${account}.provision.seed`) },
    }));
    const result = await provision({ transports, log, env: "prod", replicas: 1 });
    expect(result).toMatchObject({ ok: true });
    const stranger = { servers, tlsCaFile: files.ca };
    await expect(connectProbe({ name: "stranger", transport: stranger })).rejects.toMatchObject({
      code: "AUTHORIZATION_VIOLATION",
    });
  });
});

/** The providers with a gateway in the file. */
function providersOf(): string[] {
  return [...readFileSync(CONFIG, "utf8").matchAll(/# gateway-(\S+) \(gateway\)/g)].map(
    ([, name]) => name ?? "",
  );
}
