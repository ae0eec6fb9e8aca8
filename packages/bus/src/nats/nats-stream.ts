import { ScbeError } from "@scbe/contracts";
import { type JetStreamManager, type MsgRequest, NatsError, type StoredMsg } from "nats";
import {
  BATCH_BYTES,
  BATCH_MAX,
  type StoredMessage,
  type StreamBounds,
  type StreamReader,
} from "../store-bus.ts";
import { toScbeError } from "./errors.ts";
import { isMissingStream } from "./nats-bucket.ts";

/** Messages that are read side by side: a message may have 128 KiB. */
const AT_ONCE = 32;

/** What a stream needs of its bus. */
export interface StreamPorts {
  manager(): Promise<JetStreamManager>;
  /** @throws ScbeError DISCONNECTED */
  assertConnected(doing: string): void;
}

/** A stream's messages over the client library; it needs `STREAM.INFO` and `STREAM.MSG.GET` alone. */
export class NatsStream implements StreamReader {
  readonly #name: string;
  readonly #ports: StreamPorts;

  constructor(name: string, ports: StreamPorts) {
    this.#name = name;
    this.#ports = ports;
  }

  bounds(): Promise<StreamBounds> {
    return this.#doing("describe", async (manager) => {
      const { config, created, state } = await manager.streams.info(this.#name);
      return {
        created: String(created),
        first: state.first_seq,
        last: state.last_seq,
        messages: state.messages,
        bytes: state.bytes,
        bytesMax: config.max_bytes,
      };
    });
  }

  get(seq: number): Promise<StoredMessage | undefined> {
    return this.#read({ seq });
  }

  next(seq: number, subject = ">"): Promise<StoredMessage | undefined> {
    return this.#read({ seq, next_by_subj: subject });
  }

  /** Some side by side: one after the other would be a round trip each, and all at once would be all their bytes in memory. */
  async batch(from: number, last: number): Promise<readonly StoredMessage[]> {
    const first = from > last ? undefined : await this.next(from);
    if (first === undefined) return [];
    const end = Math.min(last, first.seq + BATCH_MAX - 1);
    const messages = [first];
    let bytes = first.data.length;
    for (let seq = first.seq + 1; seq <= end && bytes < BATCH_BYTES; seq += AT_ONCE) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, end - seq + 1) }, (_, n) => seq + n);
      const read = (await Promise.all(numbers.map((it) => this.get(it)))).filter((it) => it !== undefined);
      bytes += read.reduce((sum, { data }) => sum + data.length, 0);
      messages.push(...read);
    }
    return messages;
  }

  #read(which: MsgRequest | NextRequest): Promise<StoredMessage | undefined> {
    return this.#doing("read", async (manager) => {
      try {
        // The library's type leaves out the form that names a subject; servers know it from 2.9 on.
        return toStored(await manager.streams.getMessage(this.#name, which as MsgRequest));
      } catch (error) {
        if (isMissingMessage(error)) return undefined;
        throw error;
      }
    });
  }

  async #doing<T>(verb: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const doing = `${verb} stream ${this.#name}`;
    this.#ports.assertConnected(doing);
    try {
      return await work(await this.#ports.manager());
    } catch (error) {
      if (!isMissingStream(error)) throw toScbeError(error, doing);
      throw new ScbeError("NOT_READY", `${doing}: there is none; has provisioning run?`, { cause: error });
    }
  }
}

/** Asks for the first message of that number or a later one; `>` is any subject. */
interface NextRequest {
  readonly seq: number;
  readonly next_by_subj: string;
}

function toStored({ seq, subject, data, time }: StoredMsg): StoredMessage {
  return { seq, subject, data, at: time.getTime() };
}

function isMissingMessage(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === 10_037;
}
