import type { Leadership } from "@scbe/bus";
import { isScbeError } from "@scbe/contracts";
import type { Logger, Readiness } from "@scbe/runtime";
import type { ControllerMetrics } from "./metrics.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";

export interface ShowControlOptions {
  readonly plane: SignedControlPlane;
  readonly leadership: Pick<Leadership, "leading" | "standsBy">;
  readonly readiness: Readiness;
  readonly metrics: Pick<ControllerMetrics, "store">;
  readonly log: Logger;
  /** Users that have announced a document newer than that generation, and have not shown it. */
  unshown(generation: number): readonly string[];
}

const DOCUMENT = "control document";
const LEADER = "leader";

/**
 * Shows how things stand. A controller is ready once it knows a document: while the store is away it can still answer leases for it,
 * and send a kill.
 */
export class ShowControl {
  readonly #options: ShowControlOptions;
  #failure: string | undefined;

  constructor(options: ShowControlOptions) {
    this.#options = options;
    options.readiness.declare(DOCUMENT);
    this.show();
  }

  /** @param failure what the last turn failed with; undefined: it did not */
  after(failure: unknown): void {
    const { log, metrics } = this.#options;
    const text = failure === undefined ? undefined : reasonOf(failure);
    if (text !== this.#failure) {
      if (text === undefined) log.info("the stored control document is read and written again");
      else log.error({ err: failure }, "the stored control document could not be read or written");
    }
    this.#failure = text;
    metrics.store(failure === undefined);
    this.show();
  }

  show(): void {
    const { plane, leadership, readiness } = this.#options;
    readiness.set(
      DOCUMENT,
      plane.current === undefined
        ? { ok: false, reason: this.#failure ?? "not read yet" }
        : { ok: true, ...noteOf(this.#notes()) },
    );
    const note = leadership.standsBy ? "stands by: another controller leads" : "nobody is known to lead";
    readiness.set(LEADER, { ok: true, ...(leadership.leading ? {} : { note }) });
  }

  #notes(): string[] {
    const { plane, unshown } = this.#options;
    const { unstoredKills, current } = plane;
    const notes: string[] = [];
    if (this.#failure !== undefined) notes.push(`${this.#failure}: kills are sent, no other change is taken`);
    if (unstoredKills > 0) notes.push(`${unstoredKills} kills are not stored yet`);
    const users = unshown(current?.state.generation ?? 0);
    if (users.length > 0)
      notes.push(
        `verifiers of ${namesOf(users)} say that they hold a newer document and have not shown it: was the store restored?`,
      );
    return notes;
  }
}

const NAMES_MAX = 5;

function namesOf(users: readonly string[]): string {
  const more = users.length - NAMES_MAX;
  return `${users.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more users` : ""}`;
}

function noteOf(notes: readonly string[]): { note?: string } {
  return notes.length === 0 ? {} : { note: notes.join("; ") };
}

/** No defect's own words. */
function reasonOf(failure: unknown): string {
  return isScbeError(failure) ? `${failure.code}: ${failure.message}` : "INTERNAL: see the log";
}
