import { HEADERS } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { BusMessage } from "./bus.ts";

/** Broadcasts that are remembered: enough that one which was held up on its way does not show. */
const SAMPLES_MAX = 15;
/** What was measured before is not known to be true any more: either clock may have been set. */
const AGE_MS_MAX = 60_000;

/** This process's wall clock beside the keyring's, by the time that stands on the keyring's broadcasts of the ring. */
export class ClockOffset {
  readonly #clock: Clock;
  #samples: { readonly offsetMs: number; readonly atMs: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a broadcast; one without a time says nothing. */
  hear(message: Pick<BusMessage, "header">): void {
    const text = message.header(HEADERS.timeMs);
    if (text === undefined || !/^\d{1,15}$/.test(text)) return;
    const offsetMs = this.#clock.now() - Number(text);
    this.#samples = [...this.#samples, { offsetMs, atMs: this.#clock.monotonic() }].slice(-SAMPLES_MAX);
  }

  /** Ours less the keyring's: above 0 when ours is ahead. `undefined` while the keyring is not heard. */
  get ms(): number | undefined {
    const since = this.#clock.monotonic() - AGE_MS_MAX;
    const offsets = this.#samples.filter(({ atMs }) => atMs >= since).map(({ offsetMs }) => offsetMs);
    return offsets.sort((a, b) => a - b)[Math.floor(offsets.length / 2)];
  }
}
