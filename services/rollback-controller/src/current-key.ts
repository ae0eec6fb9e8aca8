import { type Bus, SignedBroadcasts } from "@scbe/bus";
import { type Environment, type RingState, SUBJECTS } from "@scbe/contracts";
import { type ClaimedRing, claimedRing, verifyRing } from "@scbe/envelope/grant";
import { type Clock, counter, type MetricsRegistry } from "@scbe/runtime";

export interface CurrentKeyOptions {
  readonly bus: Pick<Bus, "subscribe">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly metrics: MetricsRegistry;
  readonly env: Environment;
  /** Absent: no broadcast is accepted, and no key is known. */
  readonly keyringPublicKey: string | undefined;
}

/** The data key in use, as the keyring broadcasts it. Nothing depends on it: it shows people that a rotation has arrived. */
export class CurrentKey implements AsyncDisposable {
  readonly #subscription: AsyncDisposable | undefined;
  #generation = -1;
  #id: string | undefined;

  constructor({ bus, clock, metrics, env, keyringPublicKey }: CurrentKeyOptions) {
    const received = counter(metrics, "scbe_ring_broadcasts_total");
    if (keyringPublicKey === undefined) return;
    const broadcasts = new SignedBroadcasts<ClaimedRing, RingState>({
      clock,
      parse: claimedRing,
      isNews: ({ claimed }) => claimed.generation > this.#generation,
      verify: (claim) => {
        const read = verifyRing(claim, keyringPublicKey, env);
        return read.ok ? read.ring : undefined;
      },
    });
    this.#subscription = bus.subscribe(SUBJECTS.ring, ({ data }) => {
      const reading = broadcasts.read(data);
      received.inc({ result: reading.result });
      if (reading.result === "applied") this.#take(reading.value);
    });
  }

  /** Its kid; `undefined` before the first broadcast and while no key is active. */
  get id(): string | undefined {
    return this.#id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.[Symbol.asyncDispose]();
  }

  #take({ generation, keys }: RingState): void {
    this.#generation = generation;
    this.#id = keys.find(({ state }) => state === "active")?.kid;
  }
}
