import { connect, type NatsConnection, nkeyAuthenticator } from "nats";
import { type LoadOrder, type LoadReport, measureLoad } from "./load.ts";

/*
 * The worker's side of the benchmark: each worker is a process that its parent starts (workers.ts), and that exits when the
 * parent's channel closes.
 */

/** Connects to the server that the parent names in the environment. */
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

/** Tells the parent that the worker is ready. */
export function reportReady(): void {
  process.send?.("ready");
  process.once("disconnect", () => process.exit(0));
}

/** Makes calls when the parent orders load, and reports each round. */
export function takeLoadOrders(call: () => Promise<unknown>): void {
  process.on("message", ({ inFlight, forMs }: LoadOrder) => {
    const report = (it: LoadReport): void => void process.send?.(it);
    measureLoad(call, inFlight, forMs).then(report, (error) => report({ failed: String(error) }));
  });
  reportReady();
}
