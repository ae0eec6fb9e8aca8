import { followReadiness, mendedRecord, type StoreHost } from "@scbe/bus";
import { BUCKETS, STREAMS } from "@scbe/contracts";
import { watchGauge } from "@scbe/runtime";
import { Admits } from "./admits.ts";
import type { ReplayGuardConfig } from "./config.ts";
import { chooseStore, quotaOf } from "./edge/choose-store.ts";
import { kvRecordStore } from "./edge/kv-record-store.ts";
import { replayEndpoints } from "./endpoints.ts";
import { EpochKeeper } from "./epoch-keeper.ts";
import { keepEpoch } from "./keep-epoch.ts";
import { replayMetrics } from "./metrics.ts";
import { Quotas } from "./quotas.ts";
import { ReuseReports } from "./reuse-reports.ts";
import { showOccupancy } from "./show-occupancy.ts";
import { timedStore } from "./timed-store.ts";

/**
 * The replay guard: starts or joins the replay epoch, keeps it verified, and admits every envelope once. It comes up
 * without Redis, not ready, and goes on trying.
 * @throws ScbeError FORBIDDEN when the stored record is another environment's
 */
export async function start(config: ReplayGuardConfig, host: StoreHost): Promise<AsyncDisposable> {
  const { bus, clock, log, readiness, version } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  const times = {
    windowMs: config.SCBE_REPLAY_WINDOW_SECONDS * 1000,
    limitMs: config.SCBE_SKEW_LIMIT_SECONDS * 1000,
  };
  await using stack = new AsyncDisposableStack();
  const metrics = replayMetrics(host.metrics, providers);
  const store = stack.use(timedStore(chooseStore(config, clock, log), clock, metrics));
  const bucket = await host.store.bucket(BUCKETS.replay, { signal: host.signal });
  const onMended = mendedRecord({ metrics: host.metrics, readiness, log, record: "epoch" });
  const records = stack.use(kvRecordStore(host.store, bucket, env, onMended));
  const keeper = new EpochKeeper({ store, records, clock, log, env, times });
  const quota = quotaOf(config);
  const quotas = stack.use(new Quotas({ providers, quota, store, keeper, times, clock, log, metrics }));
  const keeping = await keepEpoch({
    keeper,
    store,
    records,
    bus,
    kv: host.store,
    clock,
    readiness,
    metrics,
    quotas,
    log,
    env,
  });
  const { turns } = stack.use(keeping);
  const reports = stack.use(new ReuseReports({ bus, store: host.store, clock, log, metrics, env }));

  const now = (): number => clock.now();
  stack.use(showOccupancy({ metrics: host.metrics, keeper, store, times, providers, quota, now }));

  const admits = new Admits({ keeper, store, turns, reports, quotas, metrics });
  stack.use(watchGauge(host.metrics, "scbe_replay_items_in_flight", () => [[{}, admits.inFlight]]));
  const service = stack.use(
    bus.service(
      replayEndpoints({
        admits,
        keeper,
        turns,
        providers,
        security: host.store.stream(STREAMS.security),
        version,
      }),
    ),
  );
  stack.use(followReadiness(service, readiness));
  return stack.move();
}
