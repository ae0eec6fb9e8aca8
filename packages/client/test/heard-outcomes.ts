import { SUBJECTS, type ToldEvent, TrustTelling } from "@scbe/contracts";
import type { Bus } from "@scbe/service-kit";

/** A trust scorer's ear: keeps what clients tell, each event once, and says that it is stored. */
export class HeardOutcomes {
  readonly #events = new Map<string, ToldEvent>();
  /** False: it takes nothing, and gives no answer. */
  answers = true;

  constructor(bus: Bus) {
    bus.subscribe(`${SUBJECTS.trustTell}.*`, ({ data, reply }) => {
      if (!this.answers || reply === undefined) return;
      for (const event of TrustTelling.parse(JSON.parse(Buffer.from(data).toString())).events) {
        if (!this.#events.has(event.id)) this.#events.set(event.id, event);
      }
      bus.publish(reply, new Uint8Array(0));
    });
  }

  /** In the order in which they came first. */
  get events(): readonly ToldEvent[] {
    return [...this.#events.values()];
  }

  forget(): void {
    this.#events.clear();
  }
}
