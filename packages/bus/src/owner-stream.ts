import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import {
  isScbeError,
  READ_QUESTION_BYTES_MAX,
  readMessage,
  ScbeError,
  StreamBatchAnswer,
  StreamBoundsAnswer,
  StreamQuestion,
  writeMessage,
} from "@scbe/contracts";
import { Places, type Rate, UserRates } from "@scbe/runtime";
import type { z } from "zod";
import type { Bus, EndpointAnswer, EndpointDefinition, EndpointRequest } from "./bus.ts";
import { BATCH_BYTES, type StoredMessage, type StreamBounds, type StreamSource } from "./store-bus.ts";

const TIMEOUT_MS = 3000;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const ASK_AGAIN_AFTER_MS = 500;
/** Reading a long stream exceeds the rate of a user. */
const BUSY_PAUSE_MS = 500;
const BUSY_MAX = 20;

/**
 * The reader's side: a stream in another service's account, read through that service.
 * @param subject served by that service
 */
export function ownerStream(bus: Pick<Bus, "request">, subject: string): StreamSource {
  const ask = async <T extends z.ZodType>(question: StreamQuestion, answer: T): Promise<z.infer<T>> => {
    const options = { timeoutMs: TIMEOUT_MS, againAfterMs: ASK_AGAIN_AFTER_MS, traced: false };
    const bytes = writeMessage(question);
    const { data } = await retryWhileBusy(() => bus.request(subject, bytes, options));
    const read = readMessage(data, answer, ANSWER_BYTES_MAX);
    if (read === undefined) throw new ScbeError("INTERNAL", `the answer of ${subject} is malformed`);
    return read;
  };
  const batch = async (from: number, last: number): Promise<readonly StoredMessage[]> => {
    if (from > last) return [];
    const { messages } = await ask({ v: 1, ask: "batch", from, last }, StreamBatchAnswer);
    return messages.map(({ data, ...message }) => ({ ...message, data: Buffer.from(data, "base64") }));
  };
  return {
    bounds: async (): Promise<StreamBounds> => {
      const { v: _, ...bounds } = await ask({ v: 1, ask: "bounds" }, StreamBoundsAnswer);
      return bounds;
    },
    batch,
  };
}

/** Repeats the request while the owner answers BUSY. */
async function retryWhileBusy<T>(request: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await request();
    } catch (error) {
      if (!isScbeError(error, "BUSY") || tries === BUSY_MAX) throw error;
    }
    await delay(BUSY_PAUSE_MS);
  }
}

/** Of one user, for all requests: the trust scorer requests the bounds ten times a second. */
const REQUEST_RATE: Rate = { burst: 64, perSecond: 64 };
const REQUESTS_AT_ONCE = 8;
/** Of one user. A batch costs up to 256 reads of the store. */
const BATCH_RATE: Rate = { burst: 8, perSecond: 8 };
/** Of one user: one, and its repetition by {@link ownerStream} while the first is read. */
const BATCHES_AT_ONCE = 2;

interface StreamEndpoint extends Pick<EndpointDefinition, "placesOf" | "concurrency" | "userRate" | "trace"> {
  readonly handler: (request: Pick<EndpointRequest, "data" | "user">) => Promise<EndpointAnswer>;
}

/**
 * The owner's side: answers the requests of {@link ownerStream} for a stream of this service. The bounds are cheap; batches have a rate and places
 * of their own, so that no user exhausts the service's time and memory with them.
 */
export function streamEndpoint(stream: StreamSource): StreamEndpoint {
  const rates = new UserRates(BATCH_RATE);
  const places = new Places(BATCHES_AT_ONCE);
  const batch = async (user: string, from: number, last: number): Promise<EndpointAnswer> => {
    if (!places.hasFree(user) || !rates.take(user, performance.now()))
      throw new ScbeError("BUSY", "this user requests batches too often");
    places.take(user);
    try {
      return asJson({ v: 1, messages: fitting(await stream.batch(from, last)) });
    } finally {
      places.release(user);
    }
  };
  const handler: StreamEndpoint["handler"] = async ({ data, user }) => {
    const request = parseRequest(data);
    if (request.ask === "batch") return batch(user, request.from, request.last);
    return asJson({ v: 1, ...(await stream.bounds()) });
  };
  return {
    handler,
    placesOf: "user",
    concurrency: REQUESTS_AT_ONCE,
    userRate: REQUEST_RATE,
    trace: "none",
  };
}

/** The first messages, up to {@link BATCH_BYTES} and one message more. */
function fitting(batch: readonly StoredMessage[]): z.infer<typeof StreamBatchAnswer>["messages"] {
  const messages: z.infer<typeof StreamBatchAnswer>["messages"] = [];
  let bytes = 0;
  for (const { seq, subject, at, data } of batch) {
    if (bytes > BATCH_BYTES) break;
    bytes += data.length;
    messages.push({ seq, subject, at, data: Buffer.from(data).toString("base64") });
  }
  return messages;
}

/** @throws ScbeError BAD_REQUEST for a malformed request */
function parseRequest(data: Uint8Array): StreamQuestion {
  const request = readMessage(data, StreamQuestion, READ_QUESTION_BYTES_MAX);
  if (request !== undefined) return request;
  throw new ScbeError(
    "BAD_REQUEST",
    'a request is canonical JSON: {"ask":"bounds","v":1} or {"ask":"batch","from":1,"last":9,"v":1}',
  );
}

function asJson(value: object): EndpointAnswer {
  return { data: writeMessage(value) };
}
