import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@scbe/client";
import { errorCode } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import type { ControlAccess } from "@scbe/local-stack/stack";
import { switchKill, untilConverged } from "./control-api.ts";

/** The results of a kill. */
export interface KillReport {
  /** Verifiers that have confirmed it. */
  readonly verifiers: number;
  /** From the order to the last confirmation. */
  readonly obeyed_ms: number;
  /** Requests that were answered between that and the release. */
  readonly released_after: number;
  /** Requests that were refused as switched off in that time. */
  readonly refused: number;
  /** A request was answered again after the release. */
  readonly is_back: boolean;
}

export interface ShowKillOptions {
  readonly control: ControlAccess;
  readonly client: Pick<Client, "request">;
  /** Sent in turn during the demonstration. */
  readonly requests: readonly ExampleRequest[];
  readonly signal: AbortSignal;
}

const OBEY_MS_MAX = 10_000;
const BACK_MS_MAX = 20_000;
/** The time between the last confirmation and the release. */
const KILLED_MS = 300;
/** Requests in flight at any time. */
const LANES = 4;
const EVERY_MS = 10;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Switches everything off and on again over HTTP, with requests in flight all the time.
 * @throws Error when the API refuses, or a verifier does not confirm in time; AbortError
 */
export async function showKill(options: ShowKillOptions): Promise<KillReport> {
  const { control, signal } = options;
  const ends: End[] = [];
  const over = new AbortController();
  const traffic = Array.from({ length: LANES }, (_, lane) =>
    keepSending(lane, options, AbortSignal.any([over.signal, signal]), (end) => ends.push(end)),
  );
  try {
    await until(() => ends.some(({ code }) => code === undefined), BACK_MS_MAX, signal);
    const orderedAt = performance.now();
    const generation = await switchKill(control, { enabled: true, reason: "npm start shows it" });
    const verifiers = await untilConverged(control, generation, { timeoutMs: OBEY_MS_MAX, signal });
    const obeyedAt = performance.now();
    await delay(KILLED_MS, undefined, { signal });
    const releasedAt = performance.now();
    await switchKill(control, { enabled: false, reason: "npm start has shown it" });
    const isBack = await until(
      () => ends.some(({ at, code }) => at > releasedAt && code === undefined),
      BACK_MS_MAX,
      signal,
    );
    const whileKilled = ends.filter(({ at }) => at > obeyedAt && at <= releasedAt);
    return {
      verifiers,
      obeyed_ms: Math.round((obeyedAt - orderedAt) * 10) / 10,
      released_after: whileKilled.filter(({ code }) => code === undefined).length,
      refused: whileKilled.filter(({ code }) => code === "SWITCHED_OFF").length,
      is_back: isBack,
    };
  } finally {
    over.abort();
    await Promise.all(traffic);
  }
}

/** The end of one request. */
interface End {
  /** Monotonic ms. */
  readonly at: number;
  /** undefined: answered. */
  readonly code: string | undefined;
}

async function keepSending(
  lane: number,
  { client, requests }: ShowKillOptions,
  signal: AbortSignal,
  onEnd: (end: End) => void,
): Promise<void> {
  for (let turn = lane; !signal.aborted; turn += 1) {
    const request = requests[turn % requests.length];
    if (request === undefined) return;
    const code = await client.request({ ...request, timeoutMs: REQUEST_TIMEOUT_MS, signal }).then(
      () => undefined,
      (error: unknown) => errorCode(error),
    );
    onEnd({ at: performance.now(), code });
    await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function until(isSo: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > deadline) return false;
    await delay(EVERY_MS, undefined, { signal });
  }
  return true;
}
