import { readFileSync } from "node:fs";
import { type Bucket, identityFromSeed } from "@scbe/bus";
import { BUCKETS, KV_KEYS } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { type Clock, systemClock } from "@scbe/runtime";
import { UsersFile } from "@scbe/service";
import { createStoreHost, eventually, type SecuredNats } from "@scbe/testkit";
import { startControl } from "../src/control/start.ts";
import { lateBucket } from "../src/edge/late-bucket.ts";
import { memoryAudit } from "./memory-plane.ts";

export const PROVIDERS = ["openai", "xai"] as const;
export const LEASE_MS = 1000;
/** Long enough for a machine that runs other tests too. */
export const LONG = { timeoutMs: 25_000 };
export const ADMIN = { by: "admin", reason: "a test" };

const name = "rollback-controller";

export interface CoreOptions {
  /** Default 900. */
  readonly leaderMs?: number;
  /** Of each user; default 64. */
  readonly verifiersMax?: number;
  /** The port that it connects to. Default: the server's. */
  readonly port?: number;
  /** Of the key that it signs with. Default: the deployment's. */
  readonly seed?: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Runs before each read and write of a key, which fails with what it throws. */
  readonly onKey?: (key: string, doing: "read" | "write") => void;
}

/** The core of one controller in this process: document, leadership and leases on a real bucket, with a controller's rights. */
export async function startCore(nats: SecuredNats, options: CoreOptions = {}) {
  const { leaderMs = 900, verifiersMax = 64, port = nats.server.port, seed = seedOf(nats) } = options;
  const { clock = systemClock, onKey = () => undefined } = options;
  await using stack = new AsyncDisposableStack();
  const servers = [`nats://127.0.0.1:${port}`];
  const host = stack.use(
    await createStoreHost(
      {
        transport: (user) => nats.credentials.transport(user, servers),
        storeTransport: (account) => nats.credentials.storeTransport(account, servers),
      },
      name,
      { clock },
    ),
  );
  const late = stack.use(await lateBucket(host.store, BUCKETS.control, host.signal));
  let reads = 0;
  const bucket: Bucket = {
    ...late,
    get: async (key) => {
      if (key === KV_KEYS.control) reads += 1;
      onKey(key, "read");
      return late.get(key);
    },
    create: async (key, value) => {
      onKey(key, "write");
      return late.create(key, value);
    },
    update: async (key, value, revision) => {
      onKey(key, "write");
      return late.update(key, value, revision);
    },
  };
  const audit = memoryAudit();
  const { log, readiness } = host;
  const users = stack.use(await UsersFile.open({ path: nats.credentials.usersFile, log, readiness }));
  const config = {
    SCBE_ENVIRONMENT: "dev" as const,
    SCBE_PROVIDERS: [...PROVIDERS],
    SCBE_CONTROL_SEED: seed,
    SCBE_CONTROL_LEASE_MS: LEASE_MS,
    SCBE_CONTROL_LEADER_MS: leaderMs,
    SCBE_CONTROL_VERIFIERS_PER_USER: verifiersMax,
  };
  const { plane, leadership } = stack.use(await startControl(config, { host, audit, bucket, users }));
  const held = stack.move();
  return {
    ...{ host, plane, leadership, audit, bucket, users },
    /** How often the stored document was read. */
    reads: () => reads,
    /** The document in force, once it is known. */
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
