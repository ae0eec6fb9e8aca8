import { isScbeError } from "@scbe/contracts";
import type { Leadership, Logger, Readiness } from "@scbe/service-kit";
import type { ControllerMetrics } from "./metrics.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";

export interface ShowControlOptions {
  readonly plane: SignedControlPlane;
  readonly leadership: Pick<Leadership, "leading" | "standsBy">;
  readonly readiness: Readiness;
  readonly metrics: Pick<ControllerMetrics, "store">;
  readonly log: Logger;
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
    const { unstoredKills, acknowledgedAbove } = this.#options.plane;
    const notes: string[] = [];
    if (this.#failure !== undefined) notes.push(`${this.#failure}: kills are sent, no other change is taken`);
    if (unstoredKills > 0) notes.push(`${unstoredKills} kills are not stored yet`);
    if (acknowledgedAbove !== undefined)
      notes.push(
        `a verifier claims to hold generation ${acknowledgedAbove}, which the store does not have: was it restored? Nothing is released by that`,
      );
    return notes;
  }
}

function noteOf(notes: readonly string[]): { note?: string } {
  return notes.length === 0 ? {} : { note: notes.join("; ") };
}

/** No defect's own words. */
function reasonOf(failure: unknown): string {
  return isScbeError(failure) ? `${failure.code}: ${failure.message}` : "INTERNAL: see the log";
}
