import { createHash } from "node:crypto";
import { type Environment, isScbeError, type Kill, type RollbackPath } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import type { ProcessedAlerts } from "../alerts/processed-alerts.ts";
import type { ProcessedAlertsState } from "../alerts/processed-state.ts";
import { groupKeyOf, incidentOf } from "../alerts/triggers.ts";
import { type Notice, noticesDue, scopeName } from "../domain/notice.ts";
import type { ControlPlane } from "../ports.ts";

export interface NoticesOptions {
  readonly plane: Pick<ControlPlane, "current" | "onChange">;
  readonly acted: ProcessedAlerts;
  readonly env: Environment;
  readonly log: Logger;
  readonly outboxes: readonly { add(notice: Notice): void }[];
  /** Only one controller tells people. */
  isLeading(): boolean;
}

const LOOK_EVERY_MS = 1000;

/**
 * Tells people of each kill and each release, whoever made it: it compares what is in force with what they were told, so that a
 * controller that takes over tells what the one before could not. It sees a change after it was made, and no change waits for it.
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
    // In a turn of its own: a listener runs inside the change.
    this.#stack.use(options.plane.onChange(() => void setImmediate(() => this.look())));
  }

  /** Tells what is due. */
  look(): void {
    const { plane, acted, isLeading } = this.#options;
    const state = plane.current?.state;
    if (this.#storing || state === undefined || !acted.known || !isLeading()) return;
    const due = (noticed: ProcessedAlertsState["noticed"]) =>
      noticesDue(state, noticed, (scope, kill) => this.#keyOf(scope, kill));
    if (due(acted.current.noticed).notices.length === 0) return;
    this.#storing = true;
    this.#tellOnce(due);
  }

  /** Tells that only one of the paths of a nonce reuse has spoken. */
  tellAlone(provider: string, path: RollbackPath): void {
    const key = `scbe-paths:${this.#options.env}:${provider}`;
    this.#tell([{ kind: "alone", provider, path, key }]);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  /** Told at once, and then recorded: who dies in between has the next one tell it again. */
  #tellOnce(due: (noticed: ProcessedAlertsState["noticed"]) => ReturnType<typeof noticesDue>): void {
    const { acted, log } = this.#options;
    this.#tell(due(acted.current.noticed).notices);
    const change = (before: ProcessedAlertsState): ProcessedAlertsState => {
      const { notices, noticed } = due(before.noticed);
      return notices.length === 0 ? before : { ...before, noticed };
    };
    void acted
      .update(change)
      .catch((error: unknown) => {
        const code = isScbeError(error) ? error.code : "INTERNAL";
        log.warn({ code }, "that people were told could not be recorded");
      })
      .finally(() => {
        this.#storing = false;
      });
  }

  #tell(notices: readonly Notice[]): void {
    for (const notice of notices) {
      const scope = notice.kind === "alone" ? notice.provider : scopeName(notice.scope);
      this.#options.log.info({ kind: notice.kind, scope }, "people are told");
      for (const outbox of this.#options.outboxes) outbox.add(notice);
    }
  }

  /** The one that Alertmanager has for the alert, where there is one: then both are one incident. */
  #keyOf(scope: string, { by }: Kill): string {
    const incident = incidentOf(by);
    if (incident === undefined) return `scbe-kill:${this.#options.env}:${scopeName(scope)}`;
    return createHash("sha256").update(groupKeyOf(incident), "utf8").digest("hex");
  }
}
