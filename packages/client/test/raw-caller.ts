import type { Bus } from "@scbe/bus";
import { HEADERS, subjectOf } from "@scbe/contracts";
import { Opener, type SealedRequest, Sealer, type Subkeys } from "@scbe/envelope";
import { systemClock } from "@scbe/runtime";
import type { FakeGuard, FakeKeyring } from "@scbe/testkit";

/** One received message. */
export interface Reply {
  readonly status: string | undefined;
  readonly error: string | undefined;
  readonly data: Uint8Array;
  readonly afterMs: number;
}

/** A request and its replies so far. Disposing closes its reply subject. */
export interface SentRequest extends Disposable {
  readonly replies: readonly Reply[];
  /** The first that is not `accepted`. */
  readonly answered: Promise<Reply>;
}

const LIMITS = {
  windowSeconds: 300,
  skewSeconds: 120,
  counterLimit: 2 ** 32 - 1,
  noiseFloorMs: 0,
  guardWaitMs: 0,
};

/** A caller without the client: seals requests, sends any bytes, and keeps every reply. */
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
  send(bytes: Uint8Array, timeout?: string): SentRequest {
    const started = performance.now();
    const replies: Reply[] = [];
    const answered = Promise.withResolvers<Reply>();
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
          replies.push(one);
          if (status !== "accepted") answered.resolve(one);
        },
        onFailure: answered.reject,
      },
    );
    return { replies, answered: answered.promise, [Symbol.dispose]: () => exchange[Symbol.dispose]() };
  }

  /** Opens a sealed answer. @throws Error if it does not open */
  open({ header, hash }: SealedRequest, { status, data }: Reply): { text: string; contentType: string } {
    const opened = this.#opener.openResponse(data, { hash, ...header });
    if (!opened.ok) throw new Error(`an answer with status ${status} does not open`);
    return { text: Buffer.from(opened.body).toString(), contentType: opened.header.content_type };
  }

  async cancel(data: Uint8Array): Promise<void> {
    this.#bus.publish(subjectOf("cancel", { provider: "openai" }), data);
    await this.#bus.flush();
  }
}
