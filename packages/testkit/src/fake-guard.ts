import { randomBytes } from "node:crypto";
import type { Bus } from "@scbe/bus";
import {
  type AdmitVerdict,
  decodeAdmitBatch,
  type EpochRecord,
  encodeVerdicts,
  patternOf,
  writeMessage,
} from "@scbe/contracts";

/** The other side of admits and epochs: remembers what it admitted, and begins a new epoch when a test says so. */
export class FakeGuard implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #seen = new Set<string>();
  epoch = randomBytes(16);
  generation = 1;
  /** Questions for the epoch so far. */
  epochAsked = 0;
  admits = 0;
  /** False: questions for the epoch are not answered. */
  tells = true;
  /** Says the verdict in place of the memory. */
  verdict: AdmitVerdict | undefined;

  constructor(bus: Bus) {
    this.#stack.use(
      bus.subscribe(patternOf("epochGet"), ({ reply }) => {
        this.epochAsked += 1;
        if (reply !== undefined && this.tells) bus.publish(reply, this.#record());
      }),
    );
    this.#stack.use(
      bus.subscribe(patternOf("admit"), ({ data, reply }) => {
        const items = decodeAdmitBatch(data);
        this.admits += items.length;
        const verdicts = items.map(({ sessionId, counter }): AdmitVerdict => {
          const id = `${Buffer.from(sessionId).toString("hex")} ${counter}`;
          const isNew = !this.#seen.has(id);
          this.#seen.add(id);
          return this.verdict ?? (isNew ? "fresh" : "replay");
        });
        if (reply !== undefined) bus.publish(reply, encodeVerdicts(verdicts));
      }),
    );
  }

  /** A new epoch; nobody hears of it before they ask. */
  renew(): void {
    this.epoch = randomBytes(16);
    this.generation += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #record(): Uint8Array {
    const epoch = this.epoch.toString("base64url");
    const record: EpochRecord = {
      v: 1,
      env: "dev",
      epoch,
      generation: this.generation,
      store: "s",
      from: 0,
      to: 1,
    };
    return writeMessage(record);
  }
}
