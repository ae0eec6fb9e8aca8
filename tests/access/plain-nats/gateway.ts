import type { Msg } from "nats";
import { asHeaders, ask, header, ServiceError } from "./ask.ts";
import type { PlainConnection } from "./connect-user.ts";

/** A request that the envelope service has opened. */
export interface PlainCall {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Aborts when the caller cancels, and at the deadline. */
  readonly signal: AbortSignal;
}

export interface PlainGatewayOptions {
  readonly provider: string;
  /** The intents that it serves. */
  readonly intents: readonly [string, ...string[]];
  /** The maximum of concurrent requests; default 256. */
  readonly concurrency?: number;
  readonly handler: (call: PlainCall) => Promise<Uint8Array> | Uint8Array;
}

const ACCEPT_AFTER_MS = 250;
const TIMEOUT_MAX_MS = 120_000;
const PROBLEM = "application/vnd.scbe.problem+json";
const EMPTY = new Uint8Array(0);

/** Serves the requests to one provider in plain NATS. See docs/callers.md, "Serving requests". */
export async function servePlain(
  connection: PlainConnection,
  options: PlainGatewayOptions,
): Promise<AsyncDisposable> {
  const gateway = new PlainGateway(connection, options);
  await gateway.start();
  return gateway;
}

class PlainGateway implements AsyncDisposable {
  readonly #connection: PlainConnection;
  readonly #options: PlainGatewayOptions;
  /** By the hash of the envelope, in base64url. */
  readonly #opened = new Map<string, AbortController>();
  readonly #atWork = new Set<Promise<void>>();
  #requests: { drain(): Promise<void> } | undefined;

  constructor(connection: PlainConnection, options: PlainGatewayOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  async start(): Promise<void> {
    const { nats } = this.#connection;
    const { provider } = this.#options;
    nats.subscribe(`scbe.v1.cancel.${provider}`, {
      callback: (_error, { data }) => this.#opened.get(Buffer.from(data).toString("base64url"))?.abort(),
    });
    this.#requests = nats.subscribe(`scbe.v1.request.*.${provider}`, {
      queue: "gateways",
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
    await nats.flush();
  }

  /** Takes no more requests, and answers the accepted ones. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#requests?.drain();
    await Promise.all(this.#atWork);
    await this.#connection.nats.drain();
  }

  /** The caller chooses the reply subject, and this user may publish to every orchestrator's inbox: so it must be the caller's own. */
  #receive(message: Msg): void {
    const [, , , user] = message.subject.split(".");
    if (message.reply?.startsWith(`_INBOX.orchestrator.${user}.`) !== true) return;
    if (this.#atWork.size >= (this.#options.concurrency ?? 256)) {
      message.respond(EMPTY, status("busy"));
      return;
    }
    const work = this.#take(message).finally(() => this.#atWork.delete(work));
    this.#atWork.add(work);
  }

  async #take(message: Msg): Promise<void> {
    const deadline = new AbortController();
    const late = setTimeout(() => deadline.abort(), timeoutOf(message));
    const early = setTimeout(() => message.respond(EMPTY, status("accepted")), ACCEPT_AFTER_MS);
    try {
      await this.#answer(message, deadline);
    } catch {
      message.respond(EMPTY, serviceError("NOT_READY", "503", "the envelope service is away"));
    } finally {
      clearTimeout(late);
      clearTimeout(early);
    }
  }

  async #answer(message: Msg, deadline: AbortController): Promise<void> {
    const intent = this.#intentOf(message.data);
    const opened = await ask(this.#connection, this.#subject("open.request", intent), message.data);
    if (header(opened, "scbe-status") !== "opened") {
      message.respond(opened.data, status("refused"));
      return;
    }
    const hash = header(opened, "scbe-in-reply-to");
    this.#opened.set(hash, deadline);
    try {
      if (deadline.signal.aborted) return;
      const content = await this.#handle(opened, deadline.signal);
      if (deadline.signal.aborted) return;
      const sealed = await this.#seal(opened, content);
      message.respond(sealed.data, status("sealed"));
    } finally {
      this.#opened.delete(hash);
    }
  }

  /**
   * The subject names the expected intent, and the service refuses an envelope of another intent. So an envelope that this gateway
   * does not serve, or cannot read, is opened under the gateway's first intent.
   */
  #intentOf(envelope: Uint8Array): string {
    const { intents } = this.#options;
    const claimed = claimedIntent(envelope);
    return intents.find((intent) => intent === claimed) ?? intents[0];
  }

  #subject(verb: "open.request" | "seal.response", intent: string): string {
    return `scbe.v1.envelope.${verb}.${this.#connection.user}.${this.#options.provider}.${intent}`;
  }

  /** A failure is a sealed answer with a media type of its own. */
  async #handle(opened: Msg, signal: AbortSignal): Promise<Content> {
    const contentType = header(opened, "scbe-content-type");
    try {
      return { body: await this.#options.handler({ body: opened.data, contentType, signal }), contentType };
    } catch {
      return problem("HANDLER_FAILED", "the handler failed");
    }
  }

  /** An answer that cannot be sealed, usually for its size, becomes a problem. */
  async #seal(opened: Msg, { body, contentType }: Content): Promise<Msg> {
    const subject = this.#subject("seal.response", header(opened, "scbe-intent"));
    const parameters = {
      "scbe-model": header(opened, "scbe-model"),
      "scbe-request-id": header(opened, "scbe-request-id"),
      "scbe-in-reply-to": header(opened, "scbe-in-reply-to"),
      "scbe-content-type": contentType,
    };
    try {
      return await ask(this.#connection, subject, body, parameters);
    } catch (error) {
      if (!(error instanceof ServiceError) || contentType === PROBLEM) throw error;
      return this.#seal(opened, problem(error.code, error.message));
    }
  }
}

/** The intent in the clear header. It is unverified until the envelope is opened. */
function claimedIntent(envelope: Uint8Array): unknown {
  try {
    const length = new DataView(envelope.buffer, envelope.byteOffset).getUint32(0);
    const header = JSON.parse(Buffer.from(envelope.subarray(4, 4 + length)).toString("latin1"));
    return header.intent;
  } catch {
    return undefined;
  }
}

interface Content {
  readonly body: Uint8Array;
  readonly contentType: string;
}

function problem(code: string, title: string): Content {
  return { body: Buffer.from(JSON.stringify({ code, title })), contentType: PROBLEM };
}

function timeoutOf(message: Msg): number {
  const value = header(message, "scbe-timeout-ms");
  return /^\d{1,9}$/.test(value) ? Math.min(Number(value), TIMEOUT_MAX_MS) : TIMEOUT_MAX_MS;
}

function status(value: string) {
  return { headers: asHeaders({ "scbe-status": value }) };
}

function serviceError(code: string, number: string, text: string) {
  return {
    headers: asHeaders({
      "Nats-Service-Error": text,
      "Nats-Service-Error-Code": number,
      "scbe-error": code,
    }),
  };
}
