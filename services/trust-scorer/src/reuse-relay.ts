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
 * Takes the replay guard's reports of nonce reuse over into the trust stream, so that one stream has everything that changes trust in one order. After
 * a crash one may be taken over twice: its id tells.
 */
export class ReuseRelay {
  readonly #options: ReuseRelayOptions;
  #place: StreamPlace | undefined;

  constructor(options: ReuseRelayOptions) {
    this.#options = options;
  }

  /** Forgets what another scorer may have moved on meanwhile. */
  forget(): void {
    this.#place = undefined;
  }

  /** Takes over what is new, up to one batch of it. @throws ScbeError */
  async turn(): Promise<void> {
    const { security, store, leadership } = this.#options;
    const place = this.#place ?? (await store.read());
    const { created, last } = await security.bounds();
    const isOurs = place !== undefined && place.created === created && place.seq <= last;
    const seq = isOurs ? place.seq : 0;
    const batch = await security.batch(seq + 1, last);
    for (const message of batch) {
      if (!leadership.leading) throw new ScbeError("CONFLICT", "another scorer may lead by now");
      await this.#takeOver(message);
    }
    const next = { created, seq: batch.at(-1)?.seq ?? seq };
    if (!isOurs || next.seq !== seq) await store.write(next);
    this.#place = next;
  }

  async #takeOver(message: StoredMessage): Promise<void> {
    const { events, env, providers } = this.#options;
    const reuse = readReuse(message);
    if (reuse?.env !== env || !providers.has(reuse.provider)) return;
    const { id, provider } = reuse;
    const event: IntegrityEvent = {
      ...{ v: 1, kind: "integrity", cause: "nonce_reuse" },
      // The guard's clock may be anywhere; an event without a time that can be is none.
      ...{ id, provider, at: Math.max(0, reuse.seen_at) },
    };
    // Not the event's id: whoever knew it in advance could have the stream take this one for a second message.
    const options = { id: randomUUID(), timeoutMs: PUBLISH_TIMEOUT_MS };
    await events.publishAcknowledged(subjectOf("trustReuse", { provider }), writeMessage(event), options);
  }
}

/** The report, if it is one of the provider that its subject names. */
function readReuse({ subject, data }: StoredMessage): NonceReuseEvent | undefined {
  const event = readMessage(data, NonceReuseEvent, NONCE_REUSE_BYTES_MAX);
  return event?.provider === namesIn("nonceReuse", subject)?.provider ? event : undefined;
}
