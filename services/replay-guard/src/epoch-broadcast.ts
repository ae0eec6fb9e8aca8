import type { Bus } from "@scbe/bus";
import { type EpochRecord, isScbeError, SUBJECTS, writeEpoch } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";

/** Between two broadcasts of an unchanged record; the turns that verify it may come more often. */
export const BROADCAST_MS = 500;
/** Turns come every {@link BROADCAST_MS}, and timers may be early. */
const EARLY_MS = 50;

/** Tells sealers and the other guards the epoch that this guard has just verified. */
export class EpochBroadcast {
  readonly #bus: Bus;
  readonly #clock: Clock;
  #last: { readonly text: string; readonly atMs: number } | undefined;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** Publishes when the record has changed or it is time; silent while the connection is down. */
  send(record: EpochRecord): void {
    const data = writeEpoch(record);
    const text = Buffer.from(data).toString("utf8");
    const nowMs = this.#clock.monotonic();
    const last = this.#last;
    if (last?.text === text && nowMs - last.atMs < BROADCAST_MS - EARLY_MS) return;
    try {
      this.#bus.publish(SUBJECTS.epoch, data);
      this.#last = { text, atMs: nowMs };
    } catch (error) {
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    }
  }
}
