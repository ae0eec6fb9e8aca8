import type { Bucket } from "@scbe/bus";
import { type ControlState, isScbeError, KV_KEYS } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import type { Actor, Change, Changed } from "../src/ports.ts";
import { stateWith } from "./canary-evidence.ts";

/** One write of the document, and its actor. */
export interface PlaneWrite extends Actor {
  readonly state: ControlState;
}

/**
 * A control plane that only does compare-and-set on the bucket's real key: unsigned, and without a broadcast. `onWrite` runs between the
 * decision to write and the write.
 */
export class KvPlane {
  readonly #bucket: Bucket;
  readonly #onWrite: (when: "before" | "after", actor: Actor) => Promise<void>;
  #state = stateWith();
  readonly writes: PlaneWrite[] = [];

  constructor(
    bucket: Bucket,
    onWrite: (when: "before" | "after", actor: Actor) => Promise<void> = async () => undefined,
  ) {
    this.#bucket = bucket;
    this.#onWrite = onWrite;
  }

  get current(): ControlDocument {
    return { state: this.#state, digest: "", signed: { v: 1, payload: "", signature: "" } };
  }

  onChange(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }

  /** In place of the broadcast. */
  async look(): Promise<ControlState> {
    return (await this.#read()).state;
  }

  async change(change: Change, actor: Actor): Promise<Changed> {
    for (;;) {
      const { state: before, revision } = await this.#read();
      const next = change(before);
      if (next === before) return { before, after: before };
      const after = { ...next, generation: before.generation + 1 };
      await this.#onWrite("before", actor);
      if (!(await this.#write(after, revision))) continue;
      this.writes.push({ ...actor, state: after });
      await this.#onWrite("after", actor);
      return { before, after };
    }
  }

  async #read(): Promise<{ state: ControlState; revision: number | undefined }> {
    const entry = await this.#bucket.get(KV_KEYS.control);
    if (entry !== undefined) this.#state = JSON.parse(Buffer.from(entry.value).toString("utf8"));
    return { state: this.#state, revision: entry?.revision };
  }

  async #write(state: ControlState, revision: number | undefined): Promise<boolean> {
    const value = Buffer.from(JSON.stringify(state));
    try {
      if (revision === undefined) await this.#bucket.create(KV_KEYS.control, value);
      else await this.#bucket.update(KV_KEYS.control, value, revision);
      this.#state = state;
      return true;
    } catch (error) {
      if (isScbeError(error, "CONFLICT")) return false;
      throw error;
    }
  }
}
