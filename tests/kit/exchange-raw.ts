import type { BusHeaders } from "@scbe/bus";
import { connectBus } from "@scbe/bus";
import { HEADERS, readServiceError } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import type { System } from "./system.ts";

export interface RawQuestion {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: BusHeaders;
  readonly timeoutMs: number;
}

export interface RawAnswer {
  readonly status: string | undefined;
  /** The code of a service error. */
  readonly error: string | undefined;
  readonly text: string;
}

/** One question on the bus with an orchestrator's rights and nothing of the client, and what comes back first. */
export async function exchangeRaw(system: System, question: RawQuestion): Promise<RawAnswer> {
  const { subject, data, headers, timeoutMs } = question;
  const log = createLogger({ name: "raw", level: "silent" });
  await using bus = await connectBus({ ...system.transport("orchestrator"), name: "orchestrator", log });
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  using _exchange = bus.exchange(subject, data, {
    headers,
    onAnswer: (message) => {
      const error = readServiceError((name) => message.header(name));
      const text = Buffer.from(message.data).toString();
      resolve({ status: message.header(HEADERS.status), error: error?.code, text });
    },
    onFailure: reject,
  });
  const timer = setTimeout(() => reject(new Error("no answer")), timeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
