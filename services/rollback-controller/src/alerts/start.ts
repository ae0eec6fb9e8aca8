import type { Bucket, Host } from "@scbe/bus";
import type { Environment } from "@scbe/contracts";
import { type DestinationsOptions, destinations, Notices } from "../notify/notices.ts";
import { NoticeQueue, noticeMetrics } from "../notify/queue.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import { securityStream } from "../security/catch-up.ts";
import { NonceReusePath } from "../security/nonce-reuse-path.ts";
import { KnownFirings } from "./known-firings.ts";
import { rollbackMetrics } from "./metrics.ts";
import { ProcessedAlerts } from "./processed-alerts.ts";
import { SignalCrossCheck } from "./signal-cross-check.ts";
import { type NonceReuseScope, triggersFor } from "./triggers.ts";
import { AlertWebhook } from "./webhook.ts";

/** The part of the configuration that it needs. */
export interface RollbackConfig {
  readonly SCBE_ENVIRONMENT: Environment;
  readonly SCBE_PROVIDERS: readonly string[];
  readonly SCBE_NONCE_REUSE_SCOPE: NonceReuseScope;
  readonly SCBE_ALERT_REPEAT_SECONDS: number;
  readonly PAGERDUTY_INTEGRATION_KEY: string | undefined;
  readonly PAGERDUTY_URL: string;
  readonly SLACK_WEBHOOK_URL: string | undefined;
}

export interface RollbackPorts {
  readonly host: Pick<Host, "bus" | "clock" | "log" | "metrics" | "readiness">;
  readonly plane: ControlPlane;
  readonly audit: Audit;
  /** The control bucket. */
  readonly bucket: Bucket;
  isLeading(): boolean;
}

/** The automatic kills, by alerts and by events, and the notices to people. */
export interface Rollback extends AsyncDisposable {
  readonly webhook: AlertWebhook;
  readonly firings: KnownFirings;
}

/** A firing that is not repeated for this many of Alertmanager's repeat intervals is forgotten. */
const REPETITIONS_MISSED_MAX = 2;

/** Starts the rollback; from now on a nonce reuse kills. */
export async function startRollback(config: RollbackConfig, ports: RollbackPorts): Promise<Rollback> {
  const { host, plane, audit, bucket, isLeading } = ports;
  const { bus, clock, log, readiness } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers, SCBE_NONCE_REUSE_SCOPE: scope } = config;
  await using stack = new AsyncDisposableStack();
  const triggers = triggersFor(scope);
  const metrics = rollbackMetrics(host.metrics);
  const sent = noticeMetrics(host.metrics);
  const queues = destinations(destinationsIn(config, triggers)).map((destination) =>
    stack.use(new NoticeQueue({ destination, clock, log, metrics: sent, readiness })),
  );
  const processed = stack.use(new ProcessedAlerts({ bucket, log, readiness }));
  const notices = stack.use(new Notices({ plane, processed, env, log, queues, isLeading }));
  const onAlone = notices.reportAlone.bind(notices);
  const crossCheck = stack.use(
    new SignalCrossCheck({ processed, audit, clock, log, metrics, isLeading, onAlone }),
  );
  const common = { plane, processed, audit, crossCheck, clock, log, metrics };
  const forgetMs = REPETITIONS_MISSED_MAX * config.SCBE_ALERT_REPEAT_SECONDS * 1000;
  const webhook = new AlertWebhook({ ...common, triggers, providers, forgetMs });
  const firings = new KnownFirings({ processed, audit, clock, forgetMs });
  const stream = securityStream(bus, env, providers);
  stack.use(new NonceReusePath({ ...common, stream, bus, readiness, scope }));
  const held = stack.move();
  return { webhook, firings, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function destinationsIn(
  config: RollbackConfig,
  triggers: DestinationsOptions["triggers"],
): DestinationsOptions {
  return {
    env: config.SCBE_ENVIRONMENT,
    triggers,
    pagerdutyKey: config.PAGERDUTY_INTEGRATION_KEY,
    pagerdutyUrl: config.PAGERDUTY_URL,
    slackUrl: config.SLACK_WEBHOOK_URL,
  };
}
