import { type Environment, SignedRing, SUBJECTS } from "@scbe/contracts";
import { readRing } from "@scbe/envelope/grant";
import type { Bus } from "@scbe/service-kit";

const RING_BYTES_MAX = 32_768;

export interface CurrentKeyOptions {
  readonly bus: Pick<Bus, "subscribe">;
  readonly env: Environment;
  /** Absent: nobody's broadcast is believed, and no key is known. */
  readonly keyringPublicKey: string | undefined;
}

/** Which data key is in use, as the keyring broadcasts it. It decides nothing: it is for people to see that a rotation has come. */
export class CurrentKey implements AsyncDisposable {
  readonly #options: CurrentKeyOptions;
  readonly #subscription: AsyncDisposable | undefined;
  #generation = -1;
  #id: string | undefined;

  constructor(options: CurrentKeyOptions) {
    this.#options = options;
    if (options.keyringPublicKey === undefined) return;
    this.#subscription = options.bus.subscribe(SUBJECTS.ring, ({ data }) => this.#hear(data));
  }

  /** Its kid; `undefined` until the keyring was heard, or while no key is active. */
  get id(): string | undefined {
    return this.#id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.[Symbol.asyncDispose]();
  }

  #hear(data: Uint8Array): void {
    const { env, keyringPublicKey = "" } = this.#options;
    const signed = parse(data);
    const read = signed && readRing(signed, keyringPublicKey, env);
    if (read === undefined || !read.ok || read.ring.generation <= this.#generation) return;
    this.#generation = read.ring.generation;
    this.#id = read.ring.keys.find(({ state }) => state === "active")?.kid;
  }
}

function parse(data: Uint8Array): SignedRing | undefined {
  if (data.length > RING_BYTES_MAX) return undefined;
  try {
    return SignedRing.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    return undefined;
  }
}
