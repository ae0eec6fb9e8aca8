import { BUCKETS } from "@scbe/contracts";
import { type Host, TrustFollower } from "@scbe/service-kit";
import { startRollback } from "./alerts/start-rollback.ts";
import { controlApi } from "./api/control-api.ts";
import { tokens } from "./api/tokens.ts";
import { startAudit } from "./audit/start-audit.ts";
import { canaryMetrics } from "./canary/canary-metrics.ts";
import { measureWith } from "./canary/measure.ts";
import { startCanaries } from "./canary/start-canaries.ts";
import type { RollbackControllerConfig } from "./config.ts";
import { CurrentKey } from "./current-key.ts";
import { triggersFor } from "./domain/triggers.ts";
import { alertmanager } from "./edge/alertmanager.ts";
import { kvCanaryStore } from "./edge/kv-canary-store.ts";
import { lateBucket } from "./edge/late-bucket.ts";
import { prometheus } from "./edge/prometheus.ts";
import { startControl } from "./start-control.ts";
import { TrustDesk } from "./trust/trust-desk.ts";

/**
 * The rollback controller: the signed control document and its leases, the control API, what alerts and events take out of the
 * path, the canaries, and what persons say of trust. It comes up without JetStream, and goes on trying.
 * @throws ScbeError FORBIDDEN when the stored document is not signed by this controller's key for this environment
 */
export async function start(config: RollbackControllerConfig, host: Host): Promise<AsyncDisposable> {
  const { bus, clock, log } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  await using stack = new AsyncDisposableStack();
  const audit = stack.use(startAudit(host));
  const bucket = stack.use(await lateBucket(bus, BUCKETS.control, host.signal));
  const { plane, leadership } = stack.use(await startControl(config, { host, audit, bucket }));
  const isLeading = (): boolean => leadership.leading;
  const { webhook } = stack.use(await startRollback(config, { host, plane, audit, bucket, isLeading }));
  const canary = stack.use(canaries(config, host, { plane, audit, bucket, isLeading, webhook }));
  const key = stack.use(new CurrentKey({ bus, env, keyringPublicKey: config.SCBE_KEYRING_PUBLIC_KEY }));
  const trust = new TrustDesk({ bus, clock, audit, follower: stack.use(new TrustFollower(host)) });
  const ports = {
    ...{ plane, audit, clock, log, providers, canary, webhook, trust },
    tokens: tokens(config),
    fallbackPermitted: config.SCBE_FALLBACK === "allow",
    currentKeyId: () => key.id,
    ...(config.PROMETHEUS_URL !== undefined && { prometheus: prometheus(config.PROMETHEUS_URL) }),
  };
  stack.use(await host.ops.mount((server) => controlApi(server, ports)));
  return stack.move();
}

type Started = Parameters<typeof startRollback>[1] &
  Pick<Awaited<ReturnType<typeof startRollback>>, "webhook">;

function canaries(
  config: RollbackControllerConfig,
  { clock, log, metrics }: Host,
  { plane, audit, bucket, isLeading, webhook }: Omit<Started, "host">,
): ReturnType<typeof startCanaries> {
  const { SCBE_PROVIDERS: providers, PROMETHEUS_URL, ALERTMANAGER_URL } = config;
  const measure = measureWith({
    prometheus: PROMETHEUS_URL === undefined ? undefined : prometheus(PROMETHEUS_URL),
    alertmanager: ALERTMANAGER_URL === undefined ? undefined : alertmanager(ALERTMANAGER_URL),
    watchdogAgeMs: () => webhook.lastWatchdogAgeMs(),
    safetyAlerts: [...triggersFor(config.SCBE_NONCE_REUSE_SCOPE).keys()],
  });
  return startCanaries({
    ...{ plane, audit, clock, log, isLeading, providers, measure },
    store: kvCanaryStore(bucket),
    metrics: canaryMetrics(metrics, providers),
    steps: config.SCBE_CANARY_STEPS.map(Number),
    holdMs: config.SCBE_CANARY_HOLD_MINUTES * 60_000,
    tickMs: config.SCBE_CANARY_TICK_SECONDS * 1000,
  });
}
