import type { Bus } from "@scbe/bus";
import { OutcomeReport, patternOf, type ReportedEvent, writeMessage } from "@scbe/contracts";

/** A fake trust scorer: keeps each reported event once, and acknowledges it. */
export class ReceivedReports {
  readonly #events = new Map<string, ReportedEvent>();
  /** False: it ignores reports. */
  answers = true;
  /** The sequence number in its receipts. */
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

  /** In the order of their first arrival. */
  get events(): readonly ReportedEvent[] {
    return [...this.#events.values()];
  }

  forget(): void {
    this.#events.clear();
  }
}
