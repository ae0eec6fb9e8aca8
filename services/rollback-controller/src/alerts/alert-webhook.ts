import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { decideRollback, type Rollback } from "../domain/decide-rollback.ts";
import { applySightings, compareFirings, isStanding, splitKey } from "../domain/firings.ts";
import { readWebhook, type ToldGroup, WEBHOOK_BYTES_MAX } from "../domain/read-webhook.ts";
import type { Trigger } from "../domain/triggers.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import type { ProcessedAlerts, ProcessedAlertsChange } from "./processed-alerts.ts";
import { readJsonStart } from "./read-json-start.ts";
import { ReadingPosts } from "./reading-posts.ts";
import type { RollbackMetrics } from "./rollback-metrics.ts";
import type { SignalCrossCheck } from "./signal-cross-check.ts";

/** The answer to a post of Alertmanager; it tries again after a 503, and never after a 400. */
export interface WebhookAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What `POST /webhooks/alertmanager` does. */
export interface Webhook {
  /** Reads a post, as far as it is within the limit, and acts on it. 200 only after every kill was sent. */
  receive(body: Readable): Promise<WebhookAnswer>;
  /** Counts the post that was answered with that status, by any part of the server. */
  refused(status: number): void;
}

export interface AlertWebhookOptions {
  readonly plane: Pick<ControlPlane, "kill">;
  readonly acted: ProcessedAlerts;
  readonly audit: Audit;
  readonly paths: SignalCrossCheck;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  readonly triggers: ReadonlyMap<string, Trigger>;
  readonly providers: readonly string[];
  /** A firing that Alertmanager has not told for this long is forgotten. */
  readonly forgetMs: number;
}

/** Posts at work at once, all of which have been read; a further one hears 503, and comes again. */
const AT_WORK_MAX = 32;
/** Posts that are being read: more than the connections that one token may have, so that unfinished posts of one token do not fill them. */
const READING_MAX = 128;
const READING_BYTES_MAX = 32 * WEBHOOK_BYTES_MAX;
/** Until a post is taken for cut off. With the other two, less than Alertmanager itself waits. */
const READ_TIMEOUT_MS = 3000;
/** Until a controller that has just started knows what was acted on before it. */
const KNOWN_TIMEOUT_MS = 1000;
/** For the kills of one post. */
const KILL_TIMEOUT_MS = 5000;
/** Names in one audit entry. */
const NAMED_MAX = 20;
/** The time of the Watchdog is stored at most that often. */
const WATCHDOG_STEP_MS = 15_000;
/** A time that another controller has stored counts only if it is no more than this ahead. */
const AHEAD_MAX_MS = 60_000;

/** What a post says, as far as it was read. */
interface Post {
  readonly group: ToldGroup;
  /** It was cut off because it came too slowly, or gave way to newer ones. */
  readonly isLate: boolean;
}

/** Takes Alertmanager's posts: at least once, from several of its members, late and in any order. */
export class AlertWebhook implements Webhook {
  readonly #options: AlertWebhookOptions;
  readonly #reading = new ReadingPosts({
    postsMax: READING_MAX,
    totalBytesMax: READING_BYTES_MAX,
    bytesMax: WEBHOOK_BYTES_MAX,
    timeoutMs: READ_TIMEOUT_MS,
  });
  #atWork = 0;
  #watchdogAt: number | undefined;

  constructor(options: AlertWebhookOptions) {
    this.#options = options;
  }

  async receive(body: Readable): Promise<WebhookAnswer> {
    const { text, isLate } = await this.#reading.read(body);
    const post: Post = { group: readWebhook(readJsonStart(text)), isLate };
    // It takes no place, and need not wait until it is known what was acted on.
    if (namesNothing(post.group)) return this.#refuseUnread(post);
    if (this.#atWork >= AT_WORK_MAX) return this.#refuse(503, "too many posts at once; come again");
    this.#atWork += 1;
    try {
      return await this.#act(post);
    } finally {
      this.#atWork -= 1;
    }
  }

  refused(status: number): void {
    this.#options.metrics.refused(status);
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

  async #act(post: Post): Promise<WebhookAnswer> {
    const { acted, clock, triggers, providers, forgetMs, metrics, log } = this.#options;
    const { group } = post;
    if (!acted.known)
      await Promise.race([acted.whenKnown, delay(KNOWN_TIMEOUT_MS, undefined, { ref: false })]);
    const { firings } = acted.current;
    const time = { now: clock.now(), forgetMs };
    const rollback = decideRollback(group, {
      triggers,
      providers,
      isStanding: (key) => isStanding(firings, key, time),
    });
    if (group.problem !== undefined) {
      if (rollback.sightings.size === 0 && !rollback.watchdog) return this.#refuseUnread(post);
      log.warn({ reason: group.problem }, "a post of Alertmanager was acted on as far as it can be read");
    }
    if (!(await this.#kill(rollback))) return this.#refuse(503, "the kill could not be sent; come again");
    metrics.alerts(rollback.counts);
    this.#record(rollback, time.now);
    return { status: 200, body: rollback.counts };
  }

  /** True when every kill was sent. */
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

  /** Nothing waits for this: what was killed is killed. */
  #record(rollback: Rollback, now: number): void {
    const { paths } = this.#options;
    if (rollback.watchdog) this.#noteWatchdog();
    for (const provider of rollback.reused) paths.heard("alert", provider);
    if (rollback.sightings.size > 0) this.#remember(rollback, now);
  }

  #noteWatchdog(): void {
    const { acted, clock } = this.#options;
    this.#watchdogAt = clock.monotonic();
    const now = clock.now();
    const change: ProcessedAlertsChange = (state) =>
      state.watchdog !== null && Math.abs(now - state.watchdog) < WATCHDOG_STEP_MS
        ? state
        : { ...state, watchdog: now };
    void acted.update(change).catch(() => undefined);
  }

  /** Whichever controller stores that a firing has begun or ended has it audited. */
  #remember({ sightings }: Rollback, now: number): void {
    const { acted, log, forgetMs } = this.#options;
    const time = { now, forgetMs };
    let news = compareFirings({}, {}, time);
    const change: ProcessedAlertsChange = (state) => {
      const firings = applySightings(state.firings, sightings, time);
      news = compareFirings(state.firings, firings, time);
      return firings === state.firings ? state : { ...state, firings };
    };
    void acted.update(change).then(
      (changed) => {
        if (changed) this.#audit(news, now);
      },
      (error: unknown) => {
        const code = errorCode(error);
        log.error({ code }, "that alerts were acted on could not be recorded");
      },
    );
  }

  #audit({ begun, ended }: ReturnType<typeof compareFirings>, at: number): void {
    const { audit } = this.#options;
    const told = [
      ["firing", begun],
      ["resolved", ended],
    ] as const;
    const after = told
      .filter(([, keys]) => keys.length > 0)
      .map(([what, keys]) => [what, keys.slice(0, NAMED_MAX).map(nameOf)] as const);
    if (after.length === 0) return;
    const reason = after.map(([what, names]) => `${what}: ${names.join(", ")}`).join("; ");
    audit.append({ at, action: "webhook", by: "alertmanager", reason, after: Object.fromEntries(after) });
  }

  /** Alertmanager never sends a post again after a 400; what did not arrive of one may name a trigger. */
  #refuseUnread({ group, isLate }: Post): WebhookAnswer {
    if (isLate) return this.#refuse(503, "the post did not arrive in time; come again");
    return this.#refuse(400, group.problem ?? "it names no alert");
  }

  #refuse(status: 400 | 503, title: string): WebhookAnswer {
    this.#options.log.warn({ status, reason: title }, "a post of Alertmanager was refused");
    return { status, body: { code: status === 400 ? "BAD_REQUEST" : "NOT_READY", title } };
  }
}

/** True when not even the name of an alert can be read, and something is wrong with the post. */
function namesNothing({ alerts, hiddenAs, problem }: ToldGroup): boolean {
  return problem !== undefined && alerts.length === 0 && hiddenAs.length === 0;
}

function nameOf(key: string): string {
  const { alertname, provider } = splitKey(key);
  return provider === undefined ? alertname : `${alertname}:${provider}`;
}
