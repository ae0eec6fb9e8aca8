import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Answer } from "@scbe/client";
import { eventually } from "@scbe/testkit";

/** One request of the traffic, and what came of it. Times in ms since the Unix epoch. */
export interface Sent {
  readonly requestId: string;
  readonly sentAt: number;
  answer?: Answer;
  error?: unknown;
}

/** Requests all the time, never more than so many at once. */
export interface SteadyTraffic extends AsyncDisposable {
  /** All so far, in the order in which they were sent. */
  readonly sent: readonly Sent[];
  /** Resolves when so many more have been answered, or have failed. */
  more(count: number): Promise<void>;
  /** Sends no more; resolves when all are answered. */
  end(): Promise<void>;
}

export interface SteadyTrafficOptions {
  readonly concurrency: number;
  /** From the beginning of one to that of the next, of each of those that may be open at once. */
  readonly everyMs: number;
}

/** @param send under the request id that it is given */
export function steadyTraffic(
  { concurrency, everyMs }: SteadyTrafficOptions,
  send: (requestId: string) => Promise<Answer>,
): SteadyTraffic {
  const sent: Sent[] = [];
  let settled = 0;
  let isOver = false;
  const sendOne = async (): Promise<void> => {
    const one: Sent = { requestId: randomUUID(), sentAt: Date.now() };
    sent.push(one);
    try {
      one.answer = await send(one.requestId);
    } catch (error) {
      one.error = error;
    }
    settled += 1;
  };
  const workers = Array.from({ length: concurrency }, async () => {
    while (!isOver) await Promise.all([sendOne(), delay(everyMs)]);
  });
  const end = async (): Promise<void> => {
    isOver = true;
    await Promise.all(workers);
  };
  return {
    sent,
    more: async (count) => {
      const enough = settled + count;
      await eventually(() => settled >= enough, { timeoutMs: 60_000 });
    },
    end,
    [Symbol.asyncDispose]: end,
  };
}
