import { setTimeout as delay } from "node:timers/promises";
import {
  isScbeError,
  readMessage,
  ScbeError,
  StreamBatchAnswer,
  StreamBoundsAnswer,
  type StreamQuestion,
  writeMessage,
} from "@scbe/contracts";
import type { z } from "zod";
import type { Bus } from "./bus.ts";
import type { StoredMessage, StreamBounds, StreamSource } from "./store-bus.ts";

const TIMEOUT_MS = 3000;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const ASK_AGAIN_AFTER_MS = 500;
/** A long stream takes more questions than a user may ask at once. */
const BUSY_PAUSE_MS = 500;
const BUSY_MAX = 20;

/**
 * A stream in another service's account, read through that service.
 * @param subject where that service answers
 */
export function ownerStream(bus: Pick<Bus, "request">, subject: string): StreamSource {
  const ask = async <T extends z.ZodType>(question: StreamQuestion, answer: T): Promise<z.infer<T>> => {
    const options = { timeoutMs: TIMEOUT_MS, againAfterMs: ASK_AGAIN_AFTER_MS, traced: false };
    const bytes = writeMessage(question);
    const { data } = await patiently(() => bus.request(subject, bytes, options));
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

/** Asks again while the owner says that this user asks too often. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!isScbeError(error, "BUSY") || tries === BUSY_MAX) throw error;
    }
    await delay(BUSY_PAUSE_MS);
  }
}
