import {
  type Bus,
  type BusMessage,
  connectHostBus,
  injectTrace,
  requestSpan,
  type Transport,
  whileIn,
  withTrace,
} from "@scbe/bus";
import { cutText, HEADERS, PROBLEM_MEDIA_TYPE, STATUS, subjectOf } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import { createReadiness, type Logger } from "@scbe/runtime";

export interface PlainOptions {
  /** How a user connects to the bus. */
  transport(user: string): Transport;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Programs that speak NATS without envelopes: the envelope service seals and opens for them (docs/callers.md). */
export interface PlainPrograms extends AsyncDisposable {
  /** A plain orchestrator sends a request to the provider's gateway. @throws Error */
  askGateway(request: ExampleRequest): Promise<void>;
  /** A plain orchestrator sends a request to a plain gateway, which returns it. @throws Error */
  askEachOther(request: ExampleRequest): Promise<void>;
}

/** Connects as the orchestrator, and as the gateways of `providers`. */
export async function connectPlainPrograms(
  providers: readonly string[],
  { transport, log, signal }: PlainOptions,
): Promise<PlainPrograms> {
  await using stack = new AsyncDisposableStack();
  const join = async (name: string): Promise<Bus> => {
    const readiness = createReadiness();
    return stack.use(await connectHostBus({ ...transport(name), name, log, readiness, signal }));
  };
  const orchestrator = await join("orchestrator");
  const joined = providers.map(async (name) => [name, await join(`gateway-${name}`)] as const);
  const gateways = new Map(await Promise.all(joined));
  const held = stack.move();
  return {
    askGateway: (request) =>
      withTrace("plain request", {}, async () => {
        const sealed = await seal(orchestrator, request);
        await open(orchestrator, request, sealed, await exchange(orchestrator, request, sealed.data));
      }),
    askEachOther: (request) =>
      withTrace("plain request", {}, async () => {
        const gateway = gateways.get(request.provider);
        if (gateway === undefined) throw new Error(`there is no plain gateway for ${request.provider}`);
        const sealed = await seal(orchestrator, request);
        const answer = await answerPlainly(gateway, request, sealed.data);
        await open(orchestrator, request, sealed, answer);
      }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Longer than a refusal, which is delayed to the noise floor. */
const ASK_MS_MAX = 5000;
const ANSWER_MS_MAX = 30_000;

async function ask(
  bus: Bus,
  subject: string,
  data: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<BusMessage> {
  return bus.request(subject, data, { headers, timeoutMs: ASK_MS_MAX });
}

function seal(bus: Bus, request: ExampleRequest): Promise<BusMessage> {
  const { provider, intent } = request;
  return ask(bus, subjectOf("sealRequest", { user: bus.user, provider, intent }), request.body, {
    [HEADERS.model]: request.model,
    [HEADERS.contentType]: request.contentType,
  });
}

/** @returns the first answer after the acknowledgement */
function exchange(bus: Bus, { provider }: ExampleRequest, envelope: Uint8Array): Promise<Uint8Array> {
  const subject = subjectOf("request", { user: bus.user, provider });
  return whileIn(requestSpan(subject, envelope.length), async () => {
    const answer = Promise.withResolvers<BusMessage>();
    const giveUp = () => answer.reject(new Error(`no answer within ${ANSWER_MS_MAX} ms`));
    const open = bus.exchange(subject, envelope, {
      headers: { [HEADERS.timeoutMs]: String(ANSWER_MS_MAX), ...injectTrace() },
      onAnswer: (message) => {
        if (message.header(HEADERS.status) !== STATUS.accepted) answer.resolve(message);
      },
      onFailure: answer.reject,
    });
    const late = setTimeout(giveUp, ANSWER_MS_MAX);
    try {
      return expectStatus(await answer.promise, STATUS.sealed).data;
    } finally {
      clearTimeout(late);
      open[Symbol.dispose]();
    }
  });
}

async function answerPlainly(
  bus: Bus,
  { provider, intent }: ExampleRequest,
  envelope: Uint8Array,
): Promise<Uint8Array> {
  const names = { user: bus.user, provider, intent };
  const opened = await ask(bus, subjectOf("openRequest", names), envelope, {});
  const copied = [HEADERS.model, HEADERS.requestId, HEADERS.inReplyTo, HEADERS.contentType];
  const headers = copied.map((name) => [name, expectStatus(opened, STATUS.opened).header(name) ?? ""]);
  const sealed = await ask(bus, subjectOf("sealResponse", names), opened.data, Object.fromEntries(headers));
  return sealed.data;
}

async function open(
  bus: Bus,
  { provider, model, intent }: ExampleRequest,
  sealed: BusMessage,
  answer: Uint8Array,
): Promise<void> {
  const opened = await ask(bus, subjectOf("openResponse", { user: bus.user, provider, intent }), answer, {
    [HEADERS.model]: model,
    [HEADERS.requestId]: sealed.header(HEADERS.requestId) ?? "",
    [HEADERS.inReplyTo]: sealed.header(HEADERS.inReplyTo) ?? "",
    [HEADERS.openingToken]: sealed.header(HEADERS.openingToken) ?? "",
  });
  const contentType = expectStatus(opened, STATUS.opened).header(HEADERS.contentType);
  if (contentType === PROBLEM_MEDIA_TYPE) throw new Error(`the gateway has failed: ${textIn(opened)}`);
}

/** The start of a problem document, for a message. */
function textIn({ data }: BusMessage): string {
  return cutText(Buffer.from(data).toString("utf8"), 200);
}

function expectStatus(message: BusMessage, expected: string): BusMessage {
  const status = message.header(HEADERS.status);
  if (status === expected) return message;
  throw new Error(`the answer is ${status ?? "an error"}, not ${expected}`);
}
