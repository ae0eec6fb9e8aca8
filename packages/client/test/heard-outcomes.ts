import type { Bus } from "@scbe/bus";
import { OutcomeReport, patternOf, type ReportedEvent, writeMessage } from "@scbe/contracts";

/** A trust scorer's ear: keeps what clients tell, each event once, and says that it is stored. */
export class HeardOutcomes {
  readonly #events = new Map<string, ReportedEvent>();
  /** False: it takes nothing, and gives no answer. */
  answers = true;
  /** The number in the trust stream that it says all of it is below. */
  seq = 1;

  constructor(bus: Bus) {
    bus.subscribe(patternOf("trustTell"), ({ data, reply }) => {
      if (!this.answers || reply === undefined) return;
      for (const event of OutcomeReport.parse(JSON.parse(Buffer.from(data).toString())).events) {
        if (!this.#events.has(event.id)) this.#events.set(event.id, event);
      }
      bus.publish(reply, writeMessage({ v: 1, seq: this.seq }));
    });
  }

  /** In the order in which they came first. */
  get events(): readonly ReportedEvent[] {
    return [...this.#events.values()];
  }

  forget(): void {
    this.#events.clear();
  }
}
