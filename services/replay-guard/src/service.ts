import { randomBytes } from "node:crypto";
import { followReadiness, mendedRecord, type StoreHost } from "@scbe/bus";
import { BUCKETS, STREAMS } from "@scbe/contracts";
import { type Clock, type Logger, watchGauge } from "@scbe/runtime";
import { Admits } from "./admits.ts";
import type { ReplayGuardConfig } from "./config.ts";
import { kvRecordStore } from "./edge/kv-record-store.ts";
import { memoryStore } from "./edge/memory-store.ts";
import { connectRedis } from "./edge/redis-connection.ts";
import { RedisStore } from "./edge/redis-store.ts";
import { replayEndpoints } from "./endpoints.ts";
import { EpochKeeper } from "./epoch-keeper.ts";
import { startEpochLoop } from "./epoch-loop.ts";
import { replayMetrics, timedStore, watchOccupancy } from "./metrics.ts";
import type { ReplayStore } from "./ports.ts";
import { Quotas } from "./quotas.ts";
import { ReuseReports } from "./reuse-reports.ts";

/**
 * The replay guard: starts or joins the replay epoch, keeps it verified, and admits each envelope once. Without Redis it starts, is not
 * ready, and tries again.
 * @throws ScbeError FORBIDDEN when the stored record is another environment's
 */
export async function start(config: ReplayGuardConfig, host: StoreHost): Promise<AsyncDisposable> {
  const { bus, clock, log, readiness, version } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  const times = {
    windowMs: config.SCBE_REPLAY_WINDOW_SECONDS * 1000,
    limitMs: config.SCBE_SKEW_LIMIT_SECONDS * 1000,
  };
  const quota = quotaOf(config);
  await using stack = new AsyncDisposableStack();
  const metrics = replayMetrics(host.metrics, providers);
  const store = stack.use(timedStore(openStore(config, clock, log), clock, metrics));
  const bucket = await host.store.bucket(BUCKETS.replay, { signal: host.signal });
  const onMended = mendedRecord({ metrics: host.metrics, readiness, log, record: "epoch" });
  const records = stack.use(kvRecordStore(host.store, bucket, env, onMended));
  const keeper = new EpochKeeper({ store, records, clock, log, env, times });
  const quotas = stack.use(new Quotas({ providers, quota, store, keeper, times, clock, log, metrics }));
  const { loop } = stack.use(
    await startEpochLoop({
      ...{ keeper, store, records, quotas, bus, kv: host.store },
      ...{ clock, readiness, metrics, log, env },
    }),
  );
  const reports = stack.use(new ReuseReports({ bus, store: host.store, clock, log, metrics, env }));
  stack.use(watchOccupancy({ metrics: host.metrics, keeper, store, times, providers, quota, clock }));
  const admits = new Admits({ keeper, store, loop, reports, quotas, metrics });
  stack.use(watchGauge(host.metrics, "scbe_replay_items_in_flight", () => [[{}, admits.inFlight]]));
  const security = host.store.stream(STREAMS.security);
  const service = stack.use(
    bus.service(replayEndpoints({ admits, keeper, loop, providers, security, version })),
  );
  stack.use(followReadiness(service, readiness));
  return stack.move();
}

/** Redis if the configuration names one, else this process's memory. Returns at once, connected or not. */
export function openStore(config: ReplayGuardConfig, clock: Clock, log: Logger): ReplayStore {
  const quota = quotaOf(config);
  if (!usesRedis(config)) {
    const id = `memory-${randomBytes(16).toString("hex")}`;
    log.warn("no Redis is configured: admitted envelopes are remembered in this process alone");
    const entriesMax = config.SCBE_REPLAY_MEMORY_ENTRIES;
    return memoryStore({ clock, entriesMax, quota, id });
  }
  const connection = connectRedis(config, log);
  return new RedisStore({ connection, db: config.REDIS_REPLAY_DB, quota, clock, log });
}

/** The entries of one provider at most; in memory, at most an equal share. */
function quotaOf(config: ReplayGuardConfig): number {
  const quota = config.SCBE_REPLAY_PROVIDER_QUOTA;
  if (usesRedis(config)) return quota;
  const share = Math.floor(config.SCBE_REPLAY_MEMORY_ENTRIES / config.SCBE_PROVIDERS.length);
  return Math.min(quota, Math.max(1, share));
}

function usesRedis({ REDIS_URL, REDIS_SENTINELS }: ReplayGuardConfig): boolean {
  return REDIS_URL !== undefined || REDIS_SENTINELS !== undefined;
}
