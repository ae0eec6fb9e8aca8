import { readConfig } from "@scbe/runtime";
import { createStoreHost, type SecuredNats } from "@scbe/testkit";
import { config } from "../src/config.ts";
import { start } from "../src/service.ts";

/** A controller in this process, on its own port, with a controller's rights. Disposing ends it. */
export async function startWhole(nats: SecuredNats, variables: Readonly<Record<string, string>>) {
  const stack = new AsyncDisposableStack();
  const host = stack.use(await createStoreHost(nats, "rollback-controller"));
  const reading = readConfig(config, {
    ...nats.credentials.environment("rollback-controller"),
    NATS_URL: nats.url,
    SCBE_CONTROL_SEED_FILE: nats.credentials.controlSeedFile,
    SCBE_USERS_FILE: nats.credentials.usersFile,
    SCBE_CONTROL_API_PORT: "0",
    ...variables,
  });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  stack.use(await start(reading.config, host));
  const apiPort = host.logs.lines.find((line) => "apiPort" in line)?.apiPort;
  return {
    host,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    /** The state of one of its dependencies. */
    dependency: (dependency: string) => host.readiness.report().find(({ name }) => name === dependency),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
