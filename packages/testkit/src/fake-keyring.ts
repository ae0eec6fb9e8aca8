import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import type { Bus, BusMessage } from "@scbe/bus";
import {
  type GrantMeta,
  GrantRequest,
  type KeyState,
  namesIn,
  patternOf,
  type RingState,
  ScbeError,
  SUBJECTS,
  serviceErrorHeaders,
  writeMessage,
} from "@scbe/contracts";
import { deriveGrantMaterial, importSubkeys, type Subkeys } from "@scbe/envelope";
import { answerGrant, type Identity, signRing, verifyGrantRequest } from "@scbe/envelope/grant";

export interface KidFacts {
  readonly state: KeyState;
  readonly notAfter?: number | null;
}

/**
 * A keyring with real keys and signatures, whose ring a test changes at will. It broadcasts only when the test calls
 * {@link broadcast}, and keeps every grant request.
 */
export class FakeKeyring implements AsyncDisposable {
  readonly #bus: Bus;
  readonly #identity: Identity;
  readonly #ikm = new Map<string, KeyObject>();
  readonly #subscription: AsyncDisposable;
  readonly asked: GrantRequest[] = [];
  ring: RingState = { env: "dev", generation: 1, keys: [] };
  /** Replaces each reply; `null` sends none. */
  tamper: ((answer: unknown, request: GrantRequest) => unknown) | undefined;
  /** Delays each reply. The reply states the ring at the time of the request. */
  hold: (request: GrantRequest) => Promise<void> | undefined = () => undefined;

  constructor(bus: Bus, identity: Identity) {
    this.#bus = bus;
    this.#identity = identity;
    this.#subscription = bus.subscribe(patternOf("grant"), (message) => void this.#answer(message));
    this.set({ k1: { state: "active" } });
  }

  /** Replaces the keys, under the next generation. */
  set(kids: Readonly<Record<string, KidFacts>>, generation = this.ring.generation + 1): void {
    const keys = Object.entries(kids).map(([kid, { state, notAfter = null }]) => ({
      kid,
      state,
      not_after: notAfter,
    }));
    this.ring = { env: "dev", generation, keys };
  }

  /** Signs and broadcasts the ring, or another one. */
  async broadcast(ring: RingState = this.ring, identity: Identity = this.#identity): Promise<void> {
    this.#bus.publish(SUBJECTS.ring, writeMessage(signRing(ring, identity)));
    await this.#bus.flush();
  }

  async broadcastBytes(data: Uint8Array): Promise<void> {
    this.#bus.publish(SUBJECTS.ring, data);
    await this.#bus.flush();
  }

  /** The subkeys that a grant of this kid carries. */
  subkeys(kid: string, provider = "openai", intent = "chat"): Subkeys {
    return importSubkeys({ env: "dev", provider, intent, kid }, this.#material(kid, provider, intent));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#subscription[Symbol.asyncDispose]());
  }

  async #answer({ data, subject, reply }: BusMessage): Promise<void> {
    if (reply === undefined) return;
    const request = GrantRequest.parse(JSON.parse(Buffer.from(data).toString("utf8")));
    const verified = verifyGrantRequest(request);
    if (verified === undefined || namesIn("grant", subject)?.provider !== request.provider)
      throw new Error("a bad grant request");
    this.asked.push(request);
    const { generation, keys } = this.ring;
    const line = keys.find(({ kid, state }) =>
      request.kid === "" ? state === "active" : kid === request.kid,
    );
    await this.hold(request);
    if (line === undefined || line.state === "retired" || line.state === "compromised") {
      const error = new ScbeError("NO_KEYS", "no such key");
      return this.#bus.publish(reply, new Uint8Array(0), serviceErrorHeaders(error));
    }
    const { kid, state, not_after } = line;
    const meta: GrantMeta = { kid, state, not_after, ring_generation: generation };
    const material = this.#material(kid, request.provider, request.intent);
    const honest = await answerGrant(verified, { material, meta }, this.#identity);
    const answer = this.tamper === undefined ? honest : this.tamper(honest, request);
    if (answer !== null) this.#bus.publish(reply, toBytes(answer));
  }

  #material(kid: string, provider: string, intent: string): Buffer {
    const ikm = this.#ikm.get(kid) ?? createSecretKey(randomBytes(32));
    this.#ikm.set(kid, ikm);
    return deriveGrantMaterial(ikm, { env: "dev", provider, intent });
  }
}

function toBytes(answer: unknown): Uint8Array {
  return answer instanceof Uint8Array ? answer : writeMessage(answer);
}
