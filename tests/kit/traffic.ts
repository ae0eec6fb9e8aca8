import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Answer } from "@scbe/client";
import { eventually } from "@scbe/testkit";

/** One request of the traffic, and its outcome. Times are in ms since the Unix epoch. */
export interface Sent {
  readonly requestId: string;
  readonly sentAt: number;
  answer?: Answer;
  error?: unknown;
}

/** Continuous requests, with a maximum in flight. */
export interface SteadyTraffic extends AsyncDisposable {
  /** All requests so far, in the order of sending. */
  readonly sent: readonly Sent[];
  /** Resolves when `count` more requests have been answered or have failed. */
  more(count: number): Promise<void>;
  /** Stops sending. Resolves when all requests have ended. */
  end(): Promise<void>;
}

export interface SteadyTrafficOptions {
  readonly concurrency: number;
  /** The minimum time between two starts in one of the concurrent lanes. */
  readonly everyMs: number;
}

/** @param send sends a request under the given id */
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
      const target = settled + count;
      await eventually(() => settled >= target, { timeoutMs: 60_000 });
    },
    end,
    [Symbol.asyncDispose]: end,
  };
}

/**
 * Repeats an action every `everyMs`, never two at once, until disposed. Single actions can fail.
 * @throws the last error at disposal, if no action ever succeeded
 */
export function keepDoing(everyMs: number, action: (turn: number) => Promise<unknown>): AsyncDisposable {
  const stopping = new AbortController();
  const doing = repeat(everyMs, action, stopping.signal);
  doing.catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await doing;
    },
  };
}

async function repeat(
  everyMs: number,
  action: (turn: number) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  let hasSucceeded = false;
  let failure: unknown;
  for (let turn = 0; !signal.aborted; turn += 1) {
    const started = performance.now();
    try {
      await action(turn);
      hasSucceeded = true;
    } catch (error) {
      failure = error;
    }
    const left = Math.max(0, everyMs - (performance.now() - started));
    await delay(left, undefined, { signal }).catch(() => undefined);
  }
  if (!hasSucceeded) throw failure;
}

/** The durations of calls, in ms. */
export interface Timings {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Times `count` calls in sequence, after `warmUp` calls that do not count. */
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

/** The timings as text. */
export function render({ p50, p95, p99, max }: Timings): string {
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  return `p50 ${ms(p50)}, p95 ${ms(p95)}, p99 ${ms(p99)}, max ${ms(max)}`;
}
