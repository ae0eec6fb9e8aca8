import { connect, type NatsConnection, nkeyAuthenticator } from "nats";

/** What a worker of the benchmark is told by its parent, in its environment. */
export async function connectBench(name: string): Promise<NatsConnection> {
  const seed = process.env.BENCH_NKEY_SEED;
  return connect({
    servers: process.env.BENCH_NATS_URL ?? "",
    name,
    inboxPrefix: `_INBOX.${name}.${name}`,
    noAsyncTraces: true,
    ...(seed === undefined ? {} : { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) }),
  });
}

/** A worker lives as long as its parent: it says it is ready, and leaves when the channel closes. */
export function reportReady(): void {
  process.send?.("ready");
  process.once("disconnect", () => process.exit(0));
}
