import { createHash } from "node:crypto";
import { type Environment, isScbeError, type Kill, type RollbackPath } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import type { ProcessedAlerts } from "../alerts/processed-alerts.ts";
import type { ProcessedAlertsState } from "../alerts/processed-state.ts";
import { groupKeyOf, incidentOf, type Trigger } from "../alerts/triggers.ts";
import type { ControlPlane } from "../ports.ts";
import { type Destination, type Due, type Notice, noticesDue, scopeName } from "./notice.ts";
import { pagerduty } from "./pagerduty.ts";
import { slack } from "./slack.ts";

export interface NoticesOptions {
  readonly plane: Pick<ControlPlane, "current" | "onChange">;
  readonly processed: ProcessedAlerts;
  readonly env: Environment;
  readonly log: Logger;
  readonly queues: readonly { add(notice: Notice): void }[];
  /** Only the leader sends notices. */
  isLeading(): boolean;
}

const LOOK_EVERY_MS = 1000;

/**
 * Sends notices of kills and releases, whatever their origin. It compares the document in force with the record of notices sent, so that a
 * controller that takes over sends what the one before could not. It runs after a change, and no change waits for it.
 */
export class Notices implements Disposable {
  readonly #options: NoticesOptions;
  readonly #stack = new DisposableStack();
  #storing = false;

  constructor(options: NoticesOptions, lookEveryMs = LOOK_EVERY_MS) {
    this.#options = options;
    const timer = setInterval(() => this.look(), lookEveryMs);
    timer.unref();
    this.#stack.defer(() => clearInterval(timer));
    // Deferred: a listener runs inside the change.
    this.#stack.use(options.plane.onChange(() => void setImmediate(() => this.look())));
  }

  /** Sends the notices that are due. */
  look(): void {
    const { plane, processed, isLeading } = this.#options;
    const state = plane.current?.state;
    if (this.#storing || state === undefined || !processed.known || !isLeading()) return;
    const due = (noticed: ProcessedAlertsState["noticed"]) =>
      noticesDue(state, noticed, (scope, kill) => this.#keyOf(scope, kill));
    if (due(processed.current.noticed).notices.length === 0) return;
    this.#storing = true;
    this.#sendOnce(due);
  }

  /** Sends the notice that only one of the two signals of a nonce reuse arrived. */
  reportAlone(provider: string, path: RollbackPath): void {
    const key = `scbe-paths:${this.#options.env}:${provider}`;
    this.#send([{ kind: "alone", provider, path, key }]);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  /** Sends first and records then: after a crash in between, the next controller sends again. */
  #sendOnce(due: (noticed: ProcessedAlertsState["noticed"]) => Due): void {
    const { processed, log } = this.#options;
    this.#send(due(processed.current.noticed).notices);
    const change = (before: ProcessedAlertsState): ProcessedAlertsState => {
      const { notices, noticed } = due(before.noticed);
      return notices.length === 0 ? before : { ...before, noticed };
    };
    void processed
      .update(change)
      .catch((error: unknown) => {
        const code = isScbeError(error) ? error.code : "INTERNAL";
        log.warn({ code }, "the record of the notices sent could not be stored");
      })
      .finally(() => {
        this.#storing = false;
      });
  }

  #send(notices: readonly Notice[]): void {
    for (const notice of notices) {
      const scope = notice.kind === "alone" ? notice.provider : scopeName(notice.scope);
      this.#options.log.info({ kind: notice.kind, scope }, "the controller sends a notice");
      for (const queue of this.#options.queues) queue.add(notice);
    }
  }

  /** Alertmanager's key of the alert behind the kill, if there is one, so that both are one incident. */
  #keyOf(scope: string, { by }: Kill): string {
    const incident = incidentOf(by);
    if (incident === undefined) return `scbe-kill:${this.#options.env}:${scopeName(scope)}`;
    return createHash("sha256").update(groupKeyOf(incident), "utf8").digest("hex");
  }
}

export interface DestinationsOptions {
  readonly env: Environment;
  readonly triggers: ReadonlyMap<string, Trigger>;
  readonly pagerdutyKey: string | undefined;
  readonly pagerdutyUrl: string;
  readonly slackUrl: string | undefined;
}

/** The configured destinations. */
export function destinations(options: DestinationsOptions): Destination[] {
  const { env, triggers, pagerdutyKey, pagerdutyUrl, slackUrl } = options;
  return [
    ...(pagerdutyKey === undefined
      ? []
      : [pagerduty({ env, triggers, routingKey: pagerdutyKey }, pagerdutyUrl)]),
    ...(slackUrl === undefined ? [] : [slack(env, slackUrl)]),
  ];
}
