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

/**
 * Does something again and again, `everyMs` from the beginning of one to that of the next and never two at once, until it is
 * disposed of. Now and then one may fail, as traffic does.
 * @throws what the last one threw, at disposal, if none ever went well
 */
export function keepDoing(everyMs: number, action: (turn: number) => Promise<unknown>): AsyncDisposable {
  const stopping = new AbortController();
  const doing = keepOn(everyMs, action, stopping.signal);
  doing.catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await doing;
    },
  };
}

async function keepOn(
  everyMs: number,
  action: (turn: number) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  let wentWell = false;
  let failure: unknown;
  for (let turn = 0; !signal.aborted; turn += 1) {
    const started = performance.now();
    try {
      await action(turn);
      wentWell = true;
    } catch (error) {
      failure = error;
    }
    const left = Math.max(0, everyMs - (performance.now() - started));
    await delay(left, undefined, { signal }).catch(() => undefined);
  }
  if (!wentWell) throw failure;
}

/** How long calls took, in ms. */
export interface Timings {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Times `count` calls, one after the other, after `warmUp` that are not counted. */
export async function measure(
  { count, warmUp }: { readonly count: number; readonly warmUp: number },
  call: () => Promise<unknown>,
): Promise<Timings> {
  const times: number[] = [];
  for (let index = -warmUp; index < count; index += 1) {
    const started = performance.now();
    await call();
    if (index >= 0) times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.ceil(times.length * share) - 1] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** For people. */
export function render({ p50, p95, p99, max }: Timings): string {
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  return `p50 ${ms(p50)}, p95 ${ms(p95)}, p99 ${ms(p99)}, max ${ms(max)}`;
}
