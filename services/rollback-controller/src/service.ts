import type { StoreHost } from "@scbe/bus";
import { BUCKETS, STREAMS } from "@scbe/contracts";
import { reportListening, UsersFile } from "@scbe/service";
import { startRollback } from "./alerts/start.ts";
import { triggersFor } from "./alerts/triggers.ts";
import { type ApiServerOptions, startApiServer } from "./api/server.ts";
import { followTokenFile, showTokens, TokenBook } from "./api/tokens.ts";
import { startAudit } from "./audit/log.ts";
import { auditOfflineKills } from "./audit/offline-kills.ts";
import { measureWith } from "./canary/measure.ts";
import { canaryMetrics, startCanaries } from "./canary/service.ts";
import type { RollbackControllerConfig } from "./config.ts";
import { startControl } from "./control/start.ts";
import { CurrentKey } from "./current-key.ts";
import { alertmanager } from "./edge/alertmanager.ts";
import { kvCanaryStore } from "./edge/kv-canary-store.ts";
import { lateBucket } from "./edge/late-bucket.ts";
import { prometheus } from "./edge/prometheus.ts";
import { readEndpoints } from "./endpoints.ts";
import { startTrust } from "./trust/trust-service.ts";

/**
 * The rollback controller: the signed control document and its leases, the control API, the kills by alerts and events, the canaries, and the
 * trust overrides of persons. It starts without JetStream and keeps trying.
 * @throws ScbeError FORBIDDEN if the stored document is not signed by this controller's key for this environment
 */
export async function start(config: RollbackControllerConfig, host: StoreHost): Promise<AsyncDisposable> {
  const { bus, store, clock, log, readiness } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  await using stack = new AsyncDisposableStack();
  const users = stack.use(await UsersFile.open({ path: config.SCBE_USERS_FILE, log, readiness }));
  const tokens = new TokenBook(config);
  const { SCBE_API_TOKENS_FILE: tokensFile } = config;
  if (tokensFile !== undefined) stack.use(followTokenFile(tokensFile, tokens, host));
  showTokens(tokens, host);
  const audit = stack.use(startAudit(host));
  const bucket = stack.use(await lateBucket(store, BUCKETS.control, host.signal));
  const { plane, leadership } = stack.use(await startControl(config, { host, audit, bucket, users }));
  stack.use(auditOfflineKills({ plane, audit, leadership, clock, log }));
  const isLeading = (): boolean => leadership.leading;
  const { webhook, firings } = stack.use(
    await startRollback(config, { host, plane, audit, bucket, isLeading }),
  );
  const canary = stack.use(canaries(config, host, { plane, audit, bucket, isLeading, webhook }));
  const keyringPublicKey = config.SCBE_KEYRING_PUBLIC_KEY;
  const key = stack.use(new CurrentKey({ bus, clock, metrics: host.metrics, env, keyringPublicKey }));
  const { follower, service: trust } = stack.use(startTrust({ host, audit, bucket, leadership }));
  const reads = { plane, audit: store.stream(STREAMS.audit), trust: follower, version: host.version };
  await stack.use(bus.service(readEndpoints(reads))).join();
  const ports = {
    ...{ plane, audit, clock, log, readiness, tokens, providers, canary, webhook, firings, trust },
    currentKeyId: () => key.id,
    ...(config.PROMETHEUS_URL !== undefined && { prometheus: prometheus(config.PROMETHEUS_URL) }),
  };
  const api = stack.use(await startApiServer({ ...listenerOf(config), ports, metrics: host.metrics }));
  reportListening("control", api.port);
  log.info({ apiPort: api.port }, "the control API listens");
  return stack.move();
}

function listenerOf(config: RollbackControllerConfig): Omit<ApiServerOptions, "ports" | "metrics"> {
  const { SCBE_CONTROL_API_TLS_CERT: certFile, SCBE_CONTROL_API_TLS_KEY: keyFile } = config;
  return {
    host: config.SCBE_CONTROL_API_HOST,
    port: config.SCBE_CONTROL_API_PORT,
    hosts: config.SCBE_CONTROL_API_HOSTS ?? [],
    ...(certFile !== undefined && keyFile !== undefined && { tls: { certFile, keyFile } }),
  };
}

type Started = Parameters<typeof startRollback>[1] &
  Pick<Awaited<ReturnType<typeof startRollback>>, "webhook">;

function canaries(
  config: RollbackControllerConfig,
  { clock, log, metrics }: StoreHost,
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
