import { performance } from "node:perf_hooks";
import { OUTCOME_REPORT_BYTES_MAX, ScbeError, TOLD_MAX } from "@scbe/contracts";
import { type Rate, UserRates } from "@scbe/runtime";

/**
 * Events that each user may tell. A client at 2,000 requests a second of which 5 % fail tells 200 a second: successes in a row are one event. The
 * burst is applied in less than the 3 s that the controller waits for a person's word.
 */
export const REPORT_RATE: Rate = { burst: 4096, perSecond: 1000 };

/** Bytes that no event exceeds on the average of a full telling. */
const EVENT_BYTES = OUTCOME_REPORT_BYTES_MAX / TOLD_MAX;

/** Limits tellings by the events in them, and what cannot be read by its bytes. */
export class ReportRate {
  readonly #rates = new UserRates(REPORT_RATE);

  /**
   * Reads a telling of a user, at the price of its bytes before it is read, and of its events afterwards.
   * @throws ScbeError BUSY: nothing of it is to be stored, and it may be told again later; what `read` throws
   */
  limited<T>(user: string, bytes: number, read: () => readonly T[]): readonly T[] {
    const beforehand = Math.min(TOLD_MAX, Math.max(1, Math.ceil(bytes / EVENT_BYTES)));
    this.#take(user, beforehand);
    const events = read();
    if (events.length > beforehand) this.#take(user, events.length - beforehand);
    return events;
  }

  #take(user: string, count: number): void {
    if (this.#rates.take(user, performance.now(), count)) return;
    throw new ScbeError(
      "BUSY",
      `a user may tell ${REPORT_RATE.perSecond} events a second; tell it again later`,
    );
  }
}
