import { errorCode, readServiceError, writeMessage } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import type { Bus } from "./bus.ts";

export interface DocumentFetcherOptions {
  readonly bus: Pick<Bus, "exchange">;
  readonly log: Logger;
  /** Where the owner of the document answers. */
  readonly subject: string;
  /** Runs when a question is asked: names what is held (see `documentEndpoint`). */
  question(): object;
  /** Runs with each answer that brings a document; another replica, or another owner, may bring one later. */
  take(document: Uint8Array): void;
}

/** How long answers are taken. */
const WINDOW_MS = 1000;
/** A frozen member of the owner's queue group swallows what it was given. */
const ASK_AGAIN_AFTER_MS = 250;

/** Asks the owner of a document for it, one question at a time however often it is told to. */
export class DocumentFetcher implements Disposable {
  readonly #options: DocumentFetcherOptions;
  readonly #open = new Set<Disposable>();
  #reading: Promise<boolean> | undefined;
  #isWanted = false;
  #isClosed = false;

  constructor(options: DocumentFetcherOptions) {
    this.#options = options;
  }

  /** Asks once from now on; what is called for while a question is open is one more. Resolves with true when an answer came. */
  read(): Promise<boolean> {
    this.#isWanted = true;
    this.#reading ??= this.#run().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const question of this.#open) question[Symbol.dispose]();
  }

  async #run(): Promise<boolean> {
    let isAnswered = false;
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      isAnswered = await this.#ask();
    }
    return isAnswered;
  }

  /** True at the first answer, false when none came in time. */
  #ask(): Promise<boolean> {
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
          log.debug({ subject, code: errorCode(error) }, "a document was not told");
          end();
        },
      });
      stack.use(exchange);
    };
    const again = setTimeout(() => {
      try {
        send();
      } catch {
        end();
      }
    }, ASK_AGAIN_AFTER_MS);
    const late = setTimeout(end, WINDOW_MS);
    stack.defer(() => {
      clearTimeout(again);
      clearTimeout(late);
    });
    this.#open.add(stack);
    try {
      send();
    } catch {
      end();
    }
    return promise;
  }
}
