import { setTimeout as delay } from "node:timers/promises";

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
