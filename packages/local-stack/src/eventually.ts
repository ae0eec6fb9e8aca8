import { setTimeout as delay } from "node:timers/promises";

export interface EventuallyOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** Default 20. */
  readonly everyMs?: number;
}

/**
 * Repeats `check` until it returns something other than `false` and `undefined`.
 * @returns that value
 * @throws the error of the last try, after `timeoutMs`
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 5000, everyMs = 20 }: EventuallyOptions = {},
): Promise<Exclude<Awaited<T>, false | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const outcome = await attempt(check);
    if (outcome.ok) return outcome.value as Exclude<Awaited<T>, false | undefined>;
    if (performance.now() > deadline) throw outcome.error;
    await delay(everyMs);
  }
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

async function attempt<T>(check: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    const value = await check();
    const isYes = value !== false && value !== undefined;
    return isYes
      ? { ok: true, value }
      : { ok: false, error: new Error(`never came true: ${check.toString()}`) };
  } catch (error) {
    return { ok: false, error };
  }
}
