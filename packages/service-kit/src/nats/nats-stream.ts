import { ScbeError } from "@scbe/contracts";
import { type JetStreamManager, type MsgRequest, NatsError, type StoredMsg } from "nats";
import type { StoredMessage, StreamBounds, StreamReader } from "../bus.ts";
import { toScbeError } from "./errors.ts";
import { isMissingStream } from "./nats-bucket.ts";

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

  next(seq: number): Promise<StoredMessage | undefined> {
    return this.#read({ seq, next_by_subj: ">" });
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
  readonly next_by_subj: ">";
}

function toStored({ seq, subject, data, time }: StoredMsg): StoredMessage {
  return { seq, subject, data, at: time.getTime() };
}

function isMissingMessage(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === 10_037;
}
