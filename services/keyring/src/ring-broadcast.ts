import type { Bus } from "@scbe/bus";
import { HEADERS, isScbeError, SUBJECTS, writeMessage } from "@scbe/contracts";
import { type Identity, signRing } from "@scbe/envelope/grant";
import type { Clock } from "@scbe/runtime";
import type { Ring } from "./domain/ring.ts";
import { ringState } from "./domain/ring-state.ts";

export interface RingBroadcastOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly decryptOnlyMaxMs: number;
}

/** Newcomers within this time hear one broadcast together. */
const GATHER_MS = 100;

/** Tells every verifier the states of the ring, signed. It is said again and again, as core NATS may lose it. */
export class RingBroadcast implements Disposable {
  readonly #options: RingBroadcastOptions;
  #soon: NodeJS.Timeout | undefined;
  #signed: { readonly generation: number; readonly data: Uint8Array } | undefined;

  constructor(options: RingBroadcastOptions) {
    this.#options = options;
  }

  /** For a newcomer, who has just been granted a key: it waits for a ring, and need not wait for the next turn. */
  sendSoon(ring: () => Ring | undefined): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      const current = ring();
      if (current !== undefined) this.send(current);
    }, GATHER_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#soon);
  }

  /** Publishes; silent while the connection is down, since the next time is never far. */
  send(ring: Ring): void {
    const { bus, clock } = this.#options;
    try {
      // For clocks to be compared. Nobody decides anything by it, so it stands outside of the signature.
      bus.publish(SUBJECTS.ring, this.signed(ring).data, { [HEADERS.timeMs]: String(clock.now()) });
    } catch (error) {
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    }
  }

  /** The ring's states as readers get them, signed once for each generation. */
  signed(ring: Ring): { readonly generation: number; readonly data: Uint8Array } {
    if (this.#signed?.generation !== ring.generation) {
      const signed = signRing(ringState(ring, this.#options.decryptOnlyMaxMs), this.#options.identity);
      this.#signed = { generation: ring.generation, data: writeMessage(signed) };
    }
    return this.#signed;
  }
}
