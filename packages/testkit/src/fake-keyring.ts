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
 * The other side of grants and rings: real keys, real signatures, and a ring that a test changes at will. Nothing is
 * broadcast unless the test says so; every question is kept.
 */
export class FakeKeyring implements AsyncDisposable {
  readonly #bus: Bus;
  readonly #identity: Identity;
  readonly #ikm = new Map<string, KeyObject>();
  readonly #subscription: AsyncDisposable;
  readonly asked: GrantRequest[] = [];
  ring: RingState = { env: "dev", generation: 1, keys: [] };
  /** Runs before an answer is sent; what it returns is sent in place of it, `null` is silence. */
  tamper: ((answer: unknown, question: GrantRequest) => unknown) | undefined;
  /** Awaited between a question and its answer, whose facts are those of the time of asking. */
  hold: (question: GrantRequest) => Promise<void> | undefined = () => undefined;

  constructor(bus: Bus, identity: Identity) {
    this.#bus = bus;
    this.#identity = identity;
    this.#subscription = bus.subscribe(patternOf("grant"), (message) => void this.#answer(message));
    this.set({ k1: { state: "active" } });
  }

  /** The keys from now on, under the next generation. */
  set(kids: Readonly<Record<string, KidFacts>>, generation = this.ring.generation + 1): void {
    const keys = Object.entries(kids).map(([kid, { state, notAfter = null }]) => ({
      kid,
      state,
      not_after: notAfter,
    }));
    this.ring = { env: "dev", generation, keys };
  }

  /** Sends the ring, or another one, signed. */
  async broadcast(ring: RingState = this.ring, identity: Identity = this.#identity): Promise<void> {
    this.#bus.publish(SUBJECTS.ring, writeMessage(signRing(ring, identity)));
    await this.#bus.flush();
  }

  async broadcastBytes(data: Uint8Array): Promise<void> {
    this.#bus.publish(SUBJECTS.ring, data);
    await this.#bus.flush();
  }

  /** The subkeys that a grant of this kid brings. */
  subkeys(kid: string, provider = "openai", intent = "chat"): Subkeys {
    return importSubkeys({ env: "dev", provider, intent, kid }, this.#material(kid, provider, intent));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#subscription[Symbol.asyncDispose]());
  }

  async #answer({ data, subject, reply }: BusMessage): Promise<void> {
    if (reply === undefined) return;
    const question = GrantRequest.parse(JSON.parse(Buffer.from(data).toString("utf8")));
    const verified = verifyGrantRequest(question);
    if (verified === undefined || namesIn("grant", subject)?.provider !== question.provider)
      throw new Error("a bad question");
    this.asked.push(question);
    const { generation, keys } = this.ring;
    const line = keys.find(({ kid, state }) =>
      question.kid === "" ? state === "active" : kid === question.kid,
    );
    await this.hold(question);
    if (line === undefined || line.state === "retired" || line.state === "compromised") {
      const error = new ScbeError("NO_KEYS", "no such key");
      return this.#bus.publish(reply, new Uint8Array(0), serviceErrorHeaders(error));
    }
    const { kid, state, not_after } = line;
    const meta: GrantMeta = { kid, state, not_after, ring_generation: generation };
    const material = this.#material(kid, question.provider, question.intent);
    const honest = await answerGrant(verified, { material, meta }, this.#identity);
    const answer = this.tamper === undefined ? honest : this.tamper(honest, question);
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
