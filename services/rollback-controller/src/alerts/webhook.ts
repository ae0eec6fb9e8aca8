import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import type { Audit, ControlPlane } from "../ports.ts";
import { decideRollback, type Rollback } from "./decide.ts";
import { applySightings, compareFirings, isActive, splitKey } from "./firings.ts";
import type { RollbackMetrics } from "./metrics.ts";
import type { ProcessedAlerts, ProcessedAlertsChange } from "./processed-alerts.ts";
import { PostReader, readJsonStart } from "./read-post.ts";
import { type PostedGroup, readWebhook, WEBHOOK_BYTES_MAX } from "./read-webhook.ts";
import type { SignalCrossCheck } from "./signal-cross-check.ts";
import type { Trigger } from "./triggers.ts";

/** The answer to a post of Alertmanager, which tries again after a 503 and never after a 400. */
export interface WebhookAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The handler of `POST /webhooks/alertmanager`. */
export interface Webhook {
  /** Reads a post up to the limit and acts on it. 200 only after every kill was sent. */
  receive(body: Readable): Promise<WebhookAnswer>;
  /** Counts a post that any part of the server answered with that status. */
  refused(status: number): void;
}

export interface AlertWebhookOptions {
  readonly plane: Pick<ControlPlane, "kill">;
  readonly processed: ProcessedAlerts;
  readonly audit: Audit;
  readonly crossCheck: SignalCrossCheck;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  readonly triggers: ReadonlyMap<string, Trigger>;
  readonly providers: readonly string[];
  /** A firing that Alertmanager did not send for this long is forgotten. */
  readonly forgetMs: number;
}

/** Posts that are processed at once, after they were read. A further one gets 503, and is sent again. */
const PROCESSING_MAX = 32;
/** Posts that are read at once: more than one token may have connections, so that the unfinished posts of one token cannot take all places. */
const READING_MAX = 128;
const READING_BYTES_MAX = 32 * WEBHOOK_BYTES_MAX;
/** After this time a post counts as cut off. The sum of the three timeouts is less than Alertmanager waits. */
const READ_TIMEOUT_MS = 3000;
/** How long a post waits for a controller that has just started to read the processed alerts. */
const KNOWN_TIMEOUT_MS = 1000;
/** For the kills of one post. */
const KILL_TIMEOUT_MS = 5000;
/** Names in one audit entry. */
const NAMED_MAX = 20;
/** The time of the Watchdog alert is stored at most this often. */
const WATCHDOG_STEP_MS = 15_000;
/** A time that another controller stored is ignored if it is further ahead. */
const AHEAD_MAX_MS = 60_000;

/** A post, as far as it was read. */
interface Post {
  readonly group: PostedGroup;
  /** It was cut off because it arrived too slowly, or gave way to newer posts. */
  readonly isLate: boolean;
}

/** Processes Alertmanager's posts. They arrive at least once, from several of its members, late and in any order. */
export class AlertWebhook implements Webhook {
  readonly #options: AlertWebhookOptions;
  readonly #reader = new PostReader({
    postsMax: READING_MAX,
    totalBytesMax: READING_BYTES_MAX,
    bytesMax: WEBHOOK_BYTES_MAX,
    timeoutMs: READ_TIMEOUT_MS,
  });
  #processing = 0;
  #watchdogAt: number | undefined;

  constructor(options: AlertWebhookOptions) {
    this.#options = options;
  }

  async receive(body: Readable): Promise<WebhookAnswer> {
    const { text, isLate } = await this.#reader.read(body);
    const post: Post = { group: readWebhook(readJsonStart(text)), isLate };
    // It takes no place and does not wait for the processed alerts.
    if (namesNothing(post.group)) return this.#refuseUnread(post);
    if (this.#processing >= PROCESSING_MAX) return this.#refuse(503, "too many posts at once; send it again");
    this.#processing += 1;
    try {
      return await this.#act(post);
    } finally {
      this.#processing -= 1;
    }
  }

  refused(status: number): void {
    this.#options.metrics.refused(status);
  }

  /** Milliseconds since the alert that always fires reached any of the controllers; `undefined`: it never has. */
  lastWatchdogAgeMs(): number | undefined {
    const { processed, clock } = this.#options;
    const stored = processed.current.watchdog;
    const storedAgeMs = stored === null ? undefined : clock.now() - stored;
    const ages = [
      ...(this.#watchdogAt === undefined ? [] : [clock.monotonic() - this.#watchdogAt]),
      ...(storedAgeMs === undefined || storedAgeMs < -AHEAD_MAX_MS ? [] : [Math.max(0, storedAgeMs)]),
    ];
    return ages.length === 0 ? undefined : Math.min(...ages);
  }

  async #act(post: Post): Promise<WebhookAnswer> {
    const { processed, clock, triggers, providers, forgetMs, metrics, log } = this.#options;
    const { group } = post;
    if (!processed.known)
      await Promise.race([processed.whenKnown, delay(KNOWN_TIMEOUT_MS, undefined, { ref: false })]);
    const { firings } = processed.current;
    const time = { now: clock.now(), forgetMs };
    const rollback = decideRollback(group, {
      triggers,
      providers,
      isActive: (key) => isActive(firings, key, time),
    });
    if (group.problem !== undefined) {
      if (rollback.sightings.size === 0 && !rollback.watchdog) return this.#refuseUnread(post);
      log.warn({ reason: group.problem }, "a post of Alertmanager was processed as far as it can be read");
    }
    if (!(await this.#kill(rollback))) return this.#refuse(503, "the kill could not be sent; send it again");
    metrics.alerts(rollback.counts);
    this.#record(rollback, time.now);
    return { status: 200, body: rollback.counts };
  }

  /** True if every kill was sent. */
  async #kill({ orders }: Rollback): Promise<boolean> {
    if (orders.length === 0) return true;
    const { plane, log } = this.#options;
    const all = (async () => {
      for (const { order, actor } of orders) await plane.kill(order, actor);
      return true;
    })().catch((error: unknown) => {
      log.error({ code: errorCode(error), err: error }, "an alert's kill was not sent");
      return false;
    });
    return Promise.race([all, delay(KILL_TIMEOUT_MS, false, { ref: false })]);
  }

  /** The answer does not wait for this: the kills are sent. */
  #record(rollback: Rollback, now: number): void {
    const { crossCheck } = this.#options;
    if (rollback.watchdog) this.#noteWatchdog();
    for (const provider of rollback.reused) crossCheck.signal("alert", provider);
    if (rollback.sightings.size > 0) this.#remember(rollback, now);
  }

  #noteWatchdog(): void {
    const { processed, clock } = this.#options;
    this.#watchdogAt = clock.monotonic();
    const now = clock.now();
    const change: ProcessedAlertsChange = (state) =>
      state.watchdog !== null && Math.abs(now - state.watchdog) < WATCHDOG_STEP_MS
        ? state
        : { ...state, watchdog: now };
    void processed.update(change).catch(() => undefined);
  }

  /** The controller that stores the beginning or end of a firing also audits it. */
  #remember({ sightings }: Rollback, now: number): void {
    const { processed, log, forgetMs } = this.#options;
    const time = { now, forgetMs };
    let news = compareFirings({}, {}, time);
    const change: ProcessedAlertsChange = (state) => {
      const firings = applySightings(state.firings, sightings, time);
      news = compareFirings(state.firings, firings, time);
      return firings === state.firings ? state : { ...state, firings };
    };
    void processed.update(change).then(
      (changed) => {
        if (changed) this.#audit(news, now);
      },
      (error: unknown) => {
        log.error({ code: errorCode(error) }, "the processed alerts could not be recorded");
      },
    );
  }

  #audit({ begun, ended }: ReturnType<typeof compareFirings>, at: number): void {
    const { audit } = this.#options;
    const changes = [
      ["firing", begun],
      ["resolved", ended],
    ] as const;
    const after = changes
      .filter(([, keys]) => keys.length > 0)
      .map(([what, keys]) => [what, keys.slice(0, NAMED_MAX).map(nameOf)] as const);
    if (after.length === 0) return;
    const reason = after.map(([what, names]) => `${what}: ${names.join(", ")}`).join("; ");
    audit.append({ at, action: "webhook", by: "alertmanager", reason, after: Object.fromEntries(after) });
  }

  /** After a 400 Alertmanager never sends the post again. The missing rest of a late one may name a trigger. */
  #refuseUnread({ group, isLate }: Post): WebhookAnswer {
    if (isLate) return this.#refuse(503, "the post did not arrive in time; send it again");
    return this.#refuse(400, group.problem ?? "it names no alert");
  }

  #refuse(status: 400 | 503, title: string): WebhookAnswer {
    this.#options.log.warn({ status, reason: title }, "a post of Alertmanager was refused");
    return { status, body: { code: status === 400 ? "BAD_REQUEST" : "NOT_READY", title } };
  }
}

/** True if the post is malformed and not even the name of an alert is readable. */
function namesNothing({ alerts, hiddenAs, problem }: PostedGroup): boolean {
  return problem !== undefined && alerts.length === 0 && hiddenAs.length === 0;
}

function nameOf(key: string): string {
  const { alertname, provider } = splitKey(key);
  return provider === undefined ? alertname : `${alertname}:${provider}`;
}
