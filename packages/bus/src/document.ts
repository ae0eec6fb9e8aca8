import {
  errorCode,
  READ_QUESTION_BYTES_MAX,
  readMessage,
  readServiceError,
  ScbeError,
  writeMessage,
} from "@scbe/contracts";
import type { Logger, Rate } from "@scbe/runtime";
import type { z } from "zod";
import type { Bus, EndpointAnswer, EndpointRequest } from "./bus.ts";

/** The rate of one user's requests for a document of another service: replicas share a user, and all of them ask after a restart of the server. */
export const READ_RATE: Rate = { burst: 512, perSecond: 64 };

/**
 * The owner's side: answers with a document that this service owns. The request names the version that the reader holds; if that is current, the
 * answer is empty, so that a repeated request costs next to nothing.
 * @param question the schema of a request
 * @param held the document's bytes for that reader; `same` if it holds them already; undefined while there is no document
 * @throws ScbeError BAD_REQUEST for a malformed request, NOT_READY while there is no document
 */
export function documentEndpoint<T extends z.ZodType>(
  question: T,
  held: (request: z.infer<T>) => Held | Promise<Held>,
): (request: Pick<EndpointRequest, "data">) => Promise<EndpointAnswer> {
  return async ({ data }) => {
    const document = await held(parse(question, data));
    if (document === undefined) throw new ScbeError("NOT_READY", "there is no document yet");
    return { data: document === "same" ? NOTHING : document };
  };
}

type Held = Uint8Array | "same" | undefined;

const NOTHING = new Uint8Array(0);

function parse<T extends z.ZodType>(question: T, data: Uint8Array): z.infer<T> {
  const held = readMessage(data, question, READ_QUESTION_BYTES_MAX);
  if (held === undefined)
    throw new ScbeError("BAD_REQUEST", "the request does not name what its reader holds");
  return held;
}

export interface DocumentFetcherOptions {
  readonly bus: Pick<Bus, "exchange">;
  readonly log: Logger;
  /** Served by the owner of the document. */
  readonly subject: string;
  /** Makes a request, which names what the reader holds (see {@link documentEndpoint}). */
  question(): object;
  /** Runs with each answer that has a document; another replica, or another owner, may send a later one. */
  take(document: Uint8Array): void;
}

/** How long answers are accepted. */
const WINDOW_MS = 1000;
/** A frozen member of the owner's queue group swallows the requests that it gets. */
const ASK_AGAIN_AFTER_MS = 250;

/** The reader's side: fetches a document from its owner, with one request at a time. */
export class DocumentFetcher implements Disposable {
  readonly #options: DocumentFetcherOptions;
  readonly #open = new Set<Disposable>();
  #reading: Promise<boolean> | undefined;
  #isWanted = false;
  #isClosed = false;

  constructor(options: DocumentFetcherOptions) {
    this.#options = options;
  }

  /** Sends a request from now on; all calls during a request share the next one. Resolves with true if an answer came. */
  read(): Promise<boolean> {
    this.#isWanted = true;
    this.#reading ??= this.#run().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const request of this.#open) request[Symbol.dispose]();
  }

  async #run(): Promise<boolean> {
    let isAnswered = false;
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      isAnswered = await this.#fetch();
    }
    return isAnswered;
  }

  /** True at the first answer, false if none came in time. */
  #fetch(): Promise<boolean> {
    const { bus, subject, question, take, log } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const data = writeMessage(question());
    const stack = new DisposableStack();
    const end = (): void => {
      stack.dispose();
      this.#open.delete(stack);
      resolve(false);
    };
    const send = (): void => {
      const exchange = bus.exchange(subject, data, {
        onAnswer: (message) => {
          const isError = readServiceError((name) => message.header(name)) !== undefined;
          if (isError || this.#isClosed) return;
          if (message.data.length > 0) take(message.data);
          clearTimeout(again);
          resolve(true);
        },
        onFailure: (error) => {
          log.debug({ subject, code: errorCode(error) }, "a document could not be fetched");
          end();
        },
      });
      stack.use(exchange);
    };
    const trySend = (): void => {
      try {
        send();
      } catch {
        end();
      }
    };
    const again = setTimeout(trySend, ASK_AGAIN_AFTER_MS);
    const late = setTimeout(end, WINDOW_MS);
    stack.defer(() => {
      clearTimeout(again);
      clearTimeout(late);
    });
    this.#open.add(stack);
    trySend();
    return promise;
  }
}
