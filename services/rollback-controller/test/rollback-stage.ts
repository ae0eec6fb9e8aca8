import { BUCKETS, KV_KEYS, type NonceReuseEvent, subjectFor } from "@scbe/contracts";
import { type Bus, type Clock, connectBus, systemClock } from "@scbe/service-kit";
import { collectLogs, createTestHost, eventually, type SecuredNats, type TestHost } from "@scbe/testkit";
import { type RollbackConfig, startRollback } from "../src/alerts/start-rollback.ts";
import { type ActedState, NOTHING_ACTED, readActed } from "../src/domain/acted-state.ts";
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
}

/** The rollback of one controller, on a real bus with its own rights, over a plane in memory. */
export async function startStage({
  nats,
  config,
  clock = systemClock,
  isLeading = () => true,
  ...options
}: StageOptions) {
  await using stack = new AsyncDisposableStack();
  const host: TestHost = stack.use(await createTestHost({ transport: nats.transport(name), name, clock }));
  const bucket = await host.bus.bucket(BUCKETS.control);
  const plane = options.plane ?? memoryPlane();
  const audit = memoryAudit();
  const rollback = stack.use(
    await startRollback(
      {
        SCBE_ENVIRONMENT: "dev",
        SCBE_PROVIDERS: PROVIDERS,
        SCBE_NONCE_REUSE_SCOPE: "all",
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
  await eventually(() => note("rollback record") === undefined && host.bus.connected);
  return {
    host,
    plane,
    audit,
    webhook: rollback.webhook,
    note,
    /** What the bucket says was acted on. */
    stored: async (): Promise<ActedState> => {
      const entry = await bucket.get(KV_KEYS.acted);
      return entry === undefined ? NOTHING_ACTED : (readActed(entry.value) ?? NOTHING_ACTED);
    },
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

/** A guard that reports nonce reuses, with its own rights. */
export async function connectGuard(nats: SecuredNats) {
  const bus: Bus = await connectBus({
    ...nats.transport("replay-guard"),
    name: "replay-guard",
    log: collectLogs().log,
  });
  let counter = 0;
  return {
    report: async (provider: string, change: Partial<NonceReuseEvent> = {}): Promise<NonceReuseEvent> => {
      counter += 1;
      const event: NonceReuseEvent = {
        v: 1,
        id: `event-${counter}`,
        env: "dev",
        provider,
        session: "c2Vzc2lvbg",
        counter,
        seen_at: Date.now(),
        ...change,
      };
      const data = Buffer.from(JSON.stringify(event));
      await bus.publishAcknowledged(subjectFor("nonceReuse", provider), data, {
        id: event.id,
        timeoutMs: 2000,
      });
      return event;
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
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
