import type { Bus } from "@scbe/bus";
import { HEADERS, isScbeError, type RingState, SUBJECTS, writeMessage } from "@scbe/contracts";
import { type Identity, signRing } from "@scbe/envelope/grant";
import type { Clock } from "@scbe/runtime";
import { endOf } from "./domain/openable.ts";
import type { Ring } from "./domain/ring.ts";

export interface RingBroadcastOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly decryptOnlyMaxMs: number;
}

/** New verifiers within this time share one broadcast. */
const GATHER_MS = 100;

/** Broadcasts the states of the ring, signed. The ring is sent again every pass, because core NATS loses messages. */
export class RingBroadcast implements Disposable {
  readonly #options: RingBroadcastOptions;
  #soon: NodeJS.Timeout | undefined;
  #signed: { readonly generation: number; readonly data: Uint8Array } | undefined;

  constructor(options: RingBroadcastOptions) {
    this.#options = options;
  }

  /** For a verifier that has just been granted a key: it needs a ring before the next pass. */
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

  /** Publishes the ring. A lost connection is not an error, because every pass sends the ring again. */
  send(ring: Ring): void {
    const { bus, clock } = this.#options;
    try {
      // Verifiers show their clock's offset from this time and decide nothing by it, so it is not signed.
      bus.publish(SUBJECTS.ring, this.signed(ring).data, { [HEADERS.timeMs]: String(clock.now()) });
    } catch (error) {
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    }
  }

  /** The ring's states as verifiers read them, signed once for each generation. */
  signed(ring: Ring): { readonly generation: number; readonly data: Uint8Array } {
    if (this.#signed?.generation !== ring.generation) {
      const signed = signRing(ringState(ring, this.#options.decryptOnlyMaxMs), this.#options.identity);
      this.#signed = { generation: ring.generation, data: writeMessage(signed) };
    }
    return this.#signed;
  }
}

/** The public part of a ring: states and their ends, without the keys. */
export function ringState(ring: Ring, decryptOnlyMaxMs: number): RingState {
  const keys = ring.keys.map((key) => ({
    kid: key.kid,
    state: key.state,
    not_after: endOf(key, decryptOnlyMaxMs),
  }));
  return { env: ring.env, generation: ring.generation, keys };
}
