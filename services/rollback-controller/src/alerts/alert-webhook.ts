import { isScbeError } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/service-kit";
import { addKeys } from "../domain/acted-state.ts";
import { decideRollback, type Rollback } from "../domain/decide-rollback.ts";
import { readWebhook, WEBHOOK_BYTES_MAX } from "../domain/read-webhook.ts";
import type { Trigger } from "../domain/triggers.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import type { Acted } from "./acted.ts";
import type { PathWatch } from "./path-watch.ts";
import type { RollbackMetrics } from "./rollback-metrics.ts";

/** The answer to a post of Alertmanager; it tries again after a 503, and never after a 400. */
export interface WebhookAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What `POST /webhooks/alertmanager` does. */
export interface Webhook {
  /** @param body JSON that was parsed, or its text or bytes; 200 only after every kill was sent */
  receive(body: unknown): Promise<WebhookAnswer>;
}

export interface AlertWebhookOptions {
  readonly plane: Pick<ControlPlane, "kill">;
  readonly acted: Acted;
  readonly audit: Audit;
  readonly paths: PathWatch;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  readonly triggers: ReadonlyMap<string, Trigger>;
  readonly providers: readonly string[];
}

/** Posts at work at once; a further one hears 503, and comes again. */
const AT_WORK_MAX = 32;
/** For the kills of one post. Alertmanager itself gives up later. */
const KILL_TIMEOUT_MS = 5000;
/** Names in one audit entry. */
const NAMED_MAX = 20;
/** The time of the Watchdog is stored at most that often. */
const WATCHDOG_STEP_MS = 15_000;
/** A time that another controller has stored counts only if it is no more than this ahead. */
const AHEAD_MAX_MS = 60_000;

/** Takes Alertmanager's posts: at least once, from several of its members, late and in any order. */
export class AlertWebhook implements Webhook {
  readonly #options: AlertWebhookOptions;
  #atWork = 0;
  #watchdogAt: number | undefined;

  constructor(options: AlertWebhookOptions) {
    this.#options = options;
  }

  async receive(body: unknown): Promise<WebhookAnswer> {
    if (this.#atWork >= AT_WORK_MAX) return this.#refuse(503, "too many posts at once; come again");
    this.#atWork += 1;
    try {
      return await this.#receive(body);
    } finally {
      this.#atWork -= 1;
    }
  }

  /** Milliseconds since the alert that always fires came to any of the controllers; `undefined`: it never has. */
  lastWatchdogAgeMs(): number | undefined {
    const { acted, clock } = this.#options;
    const stored = acted.current.watchdog;
    const storedAgeMs = stored === null ? undefined : clock.now() - stored;
    const ages = [
      ...(this.#watchdogAt === undefined ? [] : [clock.monotonic() - this.#watchdogAt]),
      ...(storedAgeMs === undefined || storedAgeMs < -AHEAD_MAX_MS ? [] : [Math.max(0, storedAgeMs)]),
    ];
    return ages.length === 0 ? undefined : Math.min(...ages);
  }

  async #receive(body: unknown): Promise<WebhookAnswer> {
    const { acted, triggers, providers, metrics } = this.#options;
    const parsed = parse(body);
    if (!parsed.ok) return this.#refuse(400, parsed.problem);
    const reading = readWebhook(parsed.value);
    if (!reading.ok) return this.#refuse(400, reading.problem);
    const known = new Set(acted.current.alerts);
    const isKnown = (key: string): boolean => known.has(key);
    const rollback = decideRollback(reading.group, { triggers, providers, isKnown });
    if (!(await this.#kill(rollback))) return this.#refuse(503, "the kill could not be sent; come again");
    for (const { result } of rollback.results) metrics.alert(result);
    this.#record(rollback);
    return { status: 200, body: countResults(rollback) };
  }

  /** True when every kill was sent. */
  async #kill({ orders }: Rollback): Promise<boolean> {
    if (orders.length === 0) return true;
    const { plane, log } = this.#options;
    const all = (async () => {
      for (const { order, actor } of orders) await plane.kill(order, actor);
      return true;
    })().catch((error: unknown) => {
      log.error(
        { code: isScbeError(error) ? error.code : "INTERNAL", err: error },
        "an alert's kill was not sent",
      );
      return false;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, KILL_TIMEOUT_MS, false);
    });
    return Promise.race([all, late]).finally(() => clearTimeout(timer));
  }

  /** Nothing waits for this: what was killed is killed. */
  #record(rollback: Rollback): void {
    const { paths } = this.#options;
    if (rollback.watchdog) this.#noteWatchdog();
    for (const provider of rollback.reused) paths.heard("alert", provider);
    if (rollback.keys.length > 0) this.#claim(rollback);
  }

  #noteWatchdog(): void {
    const { acted, clock } = this.#options;
    this.#watchdogAt = clock.monotonic();
    const now = clock.now();
    const change: Parameters<Acted["update"]>[0] = (state) =>
      state.watchdog !== null && Math.abs(now - state.watchdog) < WATCHDOG_STEP_MS
        ? state
        : { ...state, watchdog: now };
    void acted.update(change).catch(() => undefined);
  }

  /** Whichever controller makes the keys known has the post audited. */
  #claim(rollback: Rollback): void {
    const { acted, audit, clock, log } = this.#options;
    const at = clock.now();
    void acted
      .update((state) => addKeys(state, rollback.keys))
      .then(
        (changed) => {
          if (changed) audit.append({ at, action: "webhook", by: "alertmanager", ...describe(rollback) });
        },
        (error: unknown) => {
          const code = isScbeError(error) ? error.code : "INTERNAL";
          log.error({ code }, "that alerts were acted on could not be recorded");
        },
      );
  }

  #refuse(status: 400 | 503, error: string): WebhookAnswer {
    this.#options.metrics.refused(status);
    this.#options.log.warn({ status, reason: error }, "a post of Alertmanager was refused");
    return { status, body: { error } };
  }
}

type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string };

function parse(body: unknown): Parsed {
  const text = body instanceof Uint8Array ? Buffer.from(body).toString("utf8") : body;
  if (typeof text !== "string") return { ok: true, value: text };
  if (Buffer.byteLength(text) > WEBHOOK_BYTES_MAX) {
    return { ok: false, problem: `more than ${WEBHOOK_BYTES_MAX} bytes` };
  }
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, problem: "no JSON" };
  }
}

function countResults({ results }: Rollback): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { result } of results) counts[result] = (counts[result] ?? 0) + 1;
  return counts;
}

function describe(rollback: Rollback): { readonly reason: string; readonly after: unknown } {
  const counts = Object.entries(countResults(rollback)).map(([result, count]) => `${count} ${result}`);
  const told = rollback.results.filter(({ result }) => result !== "watchdog");
  const named = Map.groupBy(told, ({ result }) => result);
  const after = [...named].map(([result, rows]) => [result, rows.slice(0, NAMED_MAX).map(nameOf)]);
  return { reason: `alerts: ${counts.join(", ")}`, after: Object.fromEntries(after) };
}

function nameOf({ alert: { name, provider } }: Rollback["results"][number]): string {
  return provider === undefined ? name : `${name}:${provider}`;
}
