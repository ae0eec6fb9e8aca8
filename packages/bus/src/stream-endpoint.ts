import { performance } from "node:perf_hooks";
import {
  READ_QUESTION_BYTES_MAX,
  readMessage,
  ScbeError,
  type StreamBatchAnswer,
  StreamQuestion,
  writeMessage,
} from "@scbe/contracts";
import type { Rate } from "@scbe/runtime";
import { UserRates } from "@scbe/runtime";
import type { z } from "zod";
import type { EndpointAnswer, EndpointDefinition, EndpointRequest } from "./bus.ts";
import { BATCH_BYTES, type StoredMessage, type StreamSource } from "./store-bus.ts";

/** What one user may ask of a stream: the trust scorer asks for the bounds ten times a second. */
const QUESTION_RATE: Rate = { burst: 64, perSecond: 64 };
const QUESTIONS_AT_ONCE = 8;
/** Of each user. A batch costs up to 256 reads of the store. */
const BATCH_RATE: Rate = { burst: 8, perSecond: 8 };
/** Of each user: one, and one that `ownerStream` asks for again while the first is read. */
const BATCHES_AT_ONCE = 2;

interface StreamEndpoint extends Pick<EndpointDefinition, "placesOf" | "concurrency" | "userRate" | "trace"> {
  readonly handler: (request: Pick<EndpointRequest, "data" | "user">) => Promise<EndpointAnswer>;
}

/**
 * Answers the questions of `ownerStream`: how a service lets others read a stream of its own. Questions for the bounds are cheap; batches have a
 * rate and places of their own, so that no user takes the time and the memory of the service with them.
 */
export function streamEndpoint(stream: StreamSource): StreamEndpoint {
  const rates = new UserRates(BATCH_RATE);
  const reading = new Map<string, number>();
  const batch = async (user: string, from: number, last: number): Promise<EndpointAnswer> => {
    const before = reading.get(user) ?? 0;
    if (before >= BATCHES_AT_ONCE || !rates.take(user, performance.now()))
      throw new ScbeError("BUSY", "this user asks for batches too often");
    reading.set(user, before + 1);
    try {
      return asJson({ v: 1, messages: fitting(await stream.batch(from, last)) });
    } finally {
      const left = (reading.get(user) ?? 0) - 1;
      if (left > 0) reading.set(user, left);
      else reading.delete(user);
    }
  };
  const handler: StreamEndpoint["handler"] = async ({ data, user }) => {
    const question = parseQuestion(data);
    if (question.ask === "batch") return batch(user, question.from, question.last);
    return asJson({ v: 1, ...(await stream.bounds()) });
  };
  return {
    handler,
    placesOf: "user",
    concurrency: QUESTIONS_AT_ONCE,
    userRate: QUESTION_RATE,
    trace: "none",
  };
}

/** The first of them, up to {@link BATCH_BYTES} and one message more. */
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

/** @throws ScbeError BAD_REQUEST for what is no question */
function parseQuestion(data: Uint8Array): StreamQuestion {
  const question = readMessage(data, StreamQuestion, READ_QUESTION_BYTES_MAX);
  if (question !== undefined) return question;
  throw new ScbeError(
    "BAD_REQUEST",
    'a question is canonical JSON: {"ask":"bounds","v":1} or {"ask":"batch","from":1,"last":9,"v":1}',
  );
}

function asJson(value: object): EndpointAnswer {
  return { data: writeMessage(value) };
}
