import { readFileSync } from "node:fs";
import { BUCKETS } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { identityFromSeed } from "@scbe/service-kit";
import { createTestHost, eventually, type SecuredNats } from "@scbe/testkit";
import { lateBucket } from "../src/edge/late-bucket.ts";
import { startControl } from "../src/start-control.ts";
import { memoryAudit } from "./memory-plane.ts";

export const PROVIDERS = ["openai", "xai"] as const;
export const LEASE_MS = 1000;
/** Long enough for a machine that is busy with other tests. */
export const LONG = { timeoutMs: 25_000 };
export const ADMIN = { by: "admin", reason: "a test" };

const name = "rollback-controller";

export interface CoreOptions {
  /** Default 900. */
  readonly leaderMs?: number;
  /** The port that it connects to, in place of the server's own. */
  readonly port?: number;
  /** Of the key that it signs with, in place of the deployment's. */
  readonly seed?: string;
}

/** The core of one controller in this process: document, leadership and leases on a real bucket, with a controller's rights. */
export async function startCore(nats: SecuredNats, options: CoreOptions = {}) {
  const { leaderMs = 900, port = nats.server.port, seed = seedOf(nats) } = options;
  await using stack = new AsyncDisposableStack();
  const transport = nats.credentials.transport(name, [`nats://127.0.0.1:${port}`]);
  const host = stack.use(await createTestHost({ transport, name }));
  const bucket = stack.use(await lateBucket(host.bus, BUCKETS.control, host.signal));
  const audit = memoryAudit();
  const config = {
    SCBE_ENVIRONMENT: "dev" as const,
    SCBE_PROVIDERS: [...PROVIDERS],
    SCBE_CONTROL_SEED: seed,
    SCBE_CONTROL_LEASE_MS: LEASE_MS,
    SCBE_CONTROL_LEADER_MS: leaderMs,
  };
  const { plane, leadership } = stack.use(await startControl(config, { host, audit, bucket }));
  const held = stack.move();
  return {
    ...{ host, plane, leadership, audit, bucket },
    /** What is in force, once something is. */
    known: (): Promise<ControlDocument> => eventually(() => plane.current, LONG),
    generation: () => plane.current?.state.generation ?? 0,
    logged: (part: string) => host.logs.lines.filter(({ msg }) => msg?.includes(part)).length,
    metric: async (metric: string): Promise<number> => {
      const rows = (await host.metrics.getSingleMetric(metric)?.get())?.values ?? [];
      return rows.reduce((sum, row) => sum + row.value, 0);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export type Core = Awaited<ReturnType<typeof startCore>>;

/** The deployment's key for control documents. */
export function controlIdentity(nats: SecuredNats) {
  return identityFromSeed(seedOf(nats), "SCBE_CONTROL_SEED");
}

function seedOf(nats: SecuredNats): string {
  return readFileSync(nats.credentials.controlSeedFile, "utf8").trim();
}
