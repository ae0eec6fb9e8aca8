import type { Bus } from "@scbe/bus";
import { HEADERS, subjectOf } from "@scbe/contracts";
import { Opener, type SealedRequest, Sealer, type Subkeys } from "@scbe/envelope";
import { systemClock } from "@scbe/runtime";
import type { FakeGuard, FakeKeyring } from "@scbe/testkit";

/** One message that came back, and when. */
export interface Said {
  readonly status: string | undefined;
  readonly error: string | undefined;
  readonly data: Uint8Array;
  readonly afterMs: number;
}

/** What a question brought so far. Disposing closes its reply subject. */
export interface Asked extends Disposable {
  readonly said: readonly Said[];
  /** The first that is not `accepted`. */
  readonly answered: Promise<Said>;
}

const LIMITS = {
  windowSeconds: 300,
  skewSeconds: 120,
  counterLimit: 2 ** 32 - 1,
  noiseFloorMs: 0,
  guardWaitMs: 0,
};

/** The other side of a gateway: seals requests, holds them in its hands, and hears everything that is answered. */
export class RawCaller {
  readonly #bus: Bus;
  readonly #guard: FakeGuard;
  readonly #sealer: Sealer;
  readonly #opener: Opener;

  constructor(bus: Bus, keyring: FakeKeyring, guard: FakeGuard) {
    this.#bus = bus;
    this.#guard = guard;
    const held = new Map<string, Subkeys>();
    const keys = {
      find: (kid: string, provider: string, intent: string): Subkeys => {
        const id = `${kid} ${intent}`;
        const subkeys = held.get(id) ?? keyring.subkeys(kid, provider, intent);
        held.set(id, subkeys);
        return subkeys;
      },
      active: (provider: string, intent: string) => keys.find("k1", provider, intent),
    };
    this.#sealer = new Sealer(
      { keys, epochs: { current: () => this.#guard.epoch }, clock: systemClock },
      LIMITS,
    );
    const serves = { providers: ["openai"], intents: ["chat"] };
    const admission = { admit: async () => "refused" as const };
    this.#opener = new Opener({ keys, admission, clock: systemClock, env: "dev", serves }, LIMITS);
  }

  seal(
    change: { model?: string; intent?: string; ttlSeconds?: number; body?: Uint8Array } = {},
  ): SealedRequest {
    const requestId = crypto.randomUUID();
    const body = Buffer.from("Grüß Gott");
    return this.#sealer.sealRequest({
      provider: "openai",
      model: "gpt-5",
      intent: "chat",
      requestId,
      body,
      ...change,
    });
  }

  /** Sends any bytes; `timeout` is the text of `scbe-timeout-ms`, absent where it is `undefined`. */
  ask(bytes: Uint8Array, timeout?: string): Asked {
    const started = performance.now();
    const said: Said[] = [];
    const answered = Promise.withResolvers<Said>();
    answered.promise.catch(() => undefined);
    const exchange = this.#bus.exchange(
      subjectOf("request", { user: this.#bus.user, provider: "openai" }),
      bytes,
      {
        headers: timeout === undefined ? {} : { [HEADERS.timeoutMs]: timeout },
        onAnswer: (message) => {
          const status = message.header(HEADERS.status);
          const error = message.header("scbe-error");
          const one = { status, error, data: message.data, afterMs: performance.now() - started };
          said.push(one);
          if (status !== "accepted") answered.resolve(one);
        },
        onFailure: answered.reject,
      },
    );
    return { said, answered: answered.promise, [Symbol.dispose]: () => exchange[Symbol.dispose]() };
  }

  /** What a sealed answer to a request says; @throws Error when it does not open. */
  open({ header, hash }: SealedRequest, { status, data }: Said): { text: string; contentType: string } {
    const opened = this.#opener.openResponse(data, { hash, ...header });
    if (!opened.ok) throw new Error(`an answer with status ${status} does not open`);
    return { text: Buffer.from(opened.body).toString(), contentType: opened.header.content_type };
  }

  async cancel(data: Uint8Array): Promise<void> {
    this.#bus.publish(subjectOf("cancel", { provider: "openai" }), data);
    await this.#bus.flush();
  }
}
