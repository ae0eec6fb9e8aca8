import { Readable } from "node:stream";
import { BUCKETS, KV_KEYS } from "@scbe/contracts";
import { type Clock, systemClock } from "@scbe/runtime";
import { createStoreHost, eventually, type SecuredNats, type TestStoreHost } from "@scbe/testkit";
import {
  NO_PROCESSED_ALERTS,
  type ProcessedAlertsState,
  readProcessedAlerts,
} from "../src/alerts/processed-state.ts";
import { type RollbackConfig, startRollback } from "../src/alerts/start.ts";
import type { ControlPlane } from "../src/ports.ts";
import { type MemoryPlane, memoryAudit, memoryPlane } from "./memory-plane.ts";

export const PROVIDERS = ["openai", "xai"] as const;
const name = "rollback-controller";

export interface StageOptions {
  readonly nats: SecuredNats;
  readonly config?: Partial<RollbackConfig>;
  readonly clock?: Clock;
  readonly plane?: MemoryPlane;
  readonly isLeading?: () => boolean;
  /** False: it may not have read the processed alerts yet. */
  readonly isAwaited?: boolean;
}

/** The rollback of one controller, on a real bus with a controller's rights, over a plane in memory. */
export async function startStage({
  nats,
  config,
  clock = systemClock,
  isLeading = () => true,
  isAwaited = true,
  ...options
}: StageOptions) {
  await using stack = new AsyncDisposableStack();
  const host: TestStoreHost = stack.use(await createStoreHost(nats, name, { clock }));
  const bucket = await host.store.bucket(BUCKETS.control);
  const plane = options.plane ?? memoryPlane();
  const audit = memoryAudit();
  const rollback = stack.use(
    await startRollback(
      {
        SCBE_ENVIRONMENT: "dev",
        SCBE_PROVIDERS: PROVIDERS,
        SCBE_NONCE_REUSE_SCOPE: "all",
        SCBE_ALERT_REPEAT_SECONDS: 60,
        PAGERDUTY_INTEGRATION_KEY: undefined,
        PAGERDUTY_URL: "http://127.0.0.1:1",
        SLACK_WEBHOOK_URL: undefined,
        ...config,
      },
      { host, plane: plane as ControlPlane, audit, bucket, isLeading },
    ),
  );
  const held = stack.move();
  const note = (dependency: string) => host.readiness.report().find((row) => row.name === dependency)?.note;
  if (isAwaited) await eventually(() => note("rollback record") === undefined && host.bus.connected);
  return {
    host,
    plane,
    audit,
    rollback,
    webhook: {
      /** The text, the bytes or the content of a post. */
      receive: (body: unknown) => rollback.webhook.receive(streamOf(body)),
      lastWatchdogAgeMs: () => rollback.webhook.lastWatchdogAgeMs(),
    },
    note,
    /** The processed alerts in the bucket. */
    stored: async (): Promise<ProcessedAlertsState> => {
      const entry = await bucket.get(KV_KEYS.acted);
      return entry === undefined
        ? NO_PROCESSED_ALERTS
        : (readProcessedAlerts(entry.value) ?? NO_PROCESSED_ALERTS);
    },
    /** Rises with each change of {@link stored}. */
    revision: async (): Promise<number | undefined> => (await bucket.get(KV_KEYS.acted))?.revision,
    /** The sum of a metric's values with these labels. */
    metric: async (metric: string, labels: Readonly<Record<string, string>> = {}): Promise<number> => {
      const rows = (await host.metrics.getSingleMetric(metric)?.get())?.values ?? [];
      const isMeant = (given: object): boolean =>
        Object.entries(labels).every(([label, value]) => (given as Record<string, unknown>)[label] === value);
      return rows.filter((row) => isMeant(row.labels)).reduce((sum, row) => sum + row.value, 0);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export type Stage = Awaited<ReturnType<typeof startStage>>;

function streamOf(body: unknown): Readable {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  return Readable.from([Buffer.from(isRaw ? body : JSON.stringify(body))], { objectMode: false });
}

/** A post of Alertmanager with one alert. */
export function postOf(alertname: string, provider?: string, change: Readonly<Record<string, unknown>> = {}) {
  const labels = { alertname, class: "safety", ...(provider !== undefined && { provider }) };
  const alert = {
    status: "firing",
    labels,
    annotations: { description: `${alertname} says so` },
    startsAt: "2026-01-02T03:04:05.678Z",
    fingerprint: `${alertname}-${provider}`,
    ...change,
  };
  const groupLabels = { alertname, ...(provider !== undefined && { provider }) };
  return {
    version: "4",
    groupKey: JSON.stringify(groupLabels),
    status: alert.status,
    receiver: "rollback-controller",
    groupLabels,
    alerts: [alert],
  };
}
