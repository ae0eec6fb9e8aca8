import type { Client, ConnectOptions } from "@scbe/client";
import { startOpsServer } from "@scbe/service";
import { Registry } from "prom-client";
import type { System } from "./system.ts";

/** A client of this process with an ops port of its own, as if it were alone in its process. */
export interface WatchedClient extends AsyncDisposable {
  readonly client: Client;
  /** Its ops port, as Prometheus wants it. */
  readonly target: string;
  /** Its metrics are not to be had any more. It goes on. */
  hide(): Promise<void>;
}

/** A gateway of a provider that answers with a short text. */
export async function watchedGateway(system: System, provider: string): Promise<WatchedClient> {
  const watched = await watch((options) => system.gateway(provider, options));
  const body = Buffer.from("Hello to you");
  await watched.client.serve({ provider, handler: () => ({ body, contentType: "text/plain" }) });
  return watched;
}

export function watchedOrchestrator(
  system: System,
  options: Partial<ConnectOptions> = {},
): Promise<WatchedClient> {
  return watch(({ metrics }) => system.orchestrator({ ...options, metrics }));
}

const HOST = "127.0.0.1";

async function watch(
  connect: (options: Required<Pick<ConnectOptions, "metrics">>) => Promise<Client>,
): Promise<WatchedClient> {
  await using stack = new AsyncDisposableStack();
  const metrics = new Registry();
  const client = stack.use(await connect({ metrics }));
  const ops = stack.use(await startOpsServer({ host: HOST, port: 0, metrics, readiness: client.readiness }));
  const held = stack.move();
  return {
    client,
    target: `${HOST}:${ops.port}`,
    hide: async () => ops[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
