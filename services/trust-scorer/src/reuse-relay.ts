import { randomUUID } from "node:crypto";
import type { Leading, StoreBus, StoredMessage } from "@scbe/bus";
import {
  type Environment,
  type IntegrityEvent,
  NONCE_REUSE_BYTES_MAX,
  NonceReuseEvent,
  namesIn,
  readMessage,
  ScbeError,
  type StreamPlace,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import type { RelayStore, StreamSource } from "./ports.ts";

export interface ReuseRelayOptions {
  readonly events: Pick<StoreBus, "publishAcknowledged">;
  readonly security: StreamSource;
  readonly store: RelayStore;
  readonly leadership: Pick<Leading, "leading">;
  readonly env: Environment;
  readonly providers: ReadonlySet<string>;
}

const PUBLISH_TIMEOUT_MS = 2000;

/**
 * Copies the replay guard's reports of nonce reuse into the trust stream, so that one stream holds every change of trust in one order. After a
 * crash a report can be copied twice; its id shows that.
 */
export class ReuseRelay {
  readonly #options: ReuseRelayOptions;
  #place: StreamPlace | undefined;

  constructor(options: ReuseRelayOptions) {
    this.#options = options;
  }

  /** Makes the next pass read the place again, because another scorer may have moved it. */
  forget(): void {
    this.#place = undefined;
  }

  /** One pass: copies new reports, up to one batch. @throws ScbeError */
  async reconcile(): Promise<void> {
    const { security, store, leadership } = this.#options;
    const place = this.#place ?? (await store.read());
    const { created, last } = await security.bounds();
    const isOurs = place !== undefined && place.created === created && place.seq <= last;
    const seq = isOurs ? place.seq : 0;
    const batch = await security.batch(seq + 1, last);
    for (const message of batch) {
      if (!leadership.leading) throw new ScbeError("CONFLICT", "another scorer may lead by now");
      await this.#copy(message);
    }
    const next = { created, seq: batch.at(-1)?.seq ?? seq };
    if (!isOurs || next.seq !== seq) await store.write(next);
    this.#place = next;
  }

  async #copy(message: StoredMessage): Promise<void> {
    const { events, env, providers } = this.#options;
    const reuse = readReuse(message);
    if (reuse?.env !== env || !providers.has(reuse.provider)) return;
    const { id, provider } = reuse;
    const event: IntegrityEvent = {
      ...{ v: 1, kind: "integrity", cause: "nonce_reuse" },
      // The guard's clock can be wrong, and an event with a negative time is malformed.
      ...{ id, provider, at: Math.max(0, reuse.seen_at) },
    };
    // Not the event's id: a sender that knows it in advance could make the stream drop this message as a duplicate.
    const options = { id: randomUUID(), timeoutMs: PUBLISH_TIMEOUT_MS };
    await events.publishAcknowledged(subjectOf("trustReuse", { provider }), writeMessage(event), options);
  }
}

/** The report, if its provider is the one of its subject. */
function readReuse({ subject, data }: StoredMessage): NonceReuseEvent | undefined {
  const event = readMessage(data, NonceReuseEvent, NONCE_REUSE_BYTES_MAX);
  return event?.provider === namesIn("nonceReuse", subject)?.provider ? event : undefined;
}
