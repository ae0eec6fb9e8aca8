import { setTimeout as delay } from "node:timers/promises";
import type { Answer, Client } from "@scbe/client";
import type { ExampleRequest } from "@scbe/examples/decode-requests";

/** The results of a provider that fails and recovers. */
export interface TrustReport {
  readonly provider: string;
  /** Requests that it failed before its exclusion. */
  readonly failed: number;
  /** From its first failure to the first request that excluded it. */
  readonly excluded_ms: number;
  /** From its recovery until it served all requests again. */
  readonly back_ms: number;
  /** Requests that no provider answered in that time. */
  readonly unanswered: number;
}

export interface ShowTrustOptions {
  readonly client: Pick<Client, "request">;
  readonly standInUrl: string;
  /** To two providers of the stand-in: the one that fails, and the next candidate. */
  readonly requests: readonly [ExampleRequest, ExampleRequest];
  readonly signal: AbortSignal;
}

const STEP_MS_MAX = 20_000;
const REQUEST_TIMEOUT_MS = 10_000;
const EVERY_MS = 5;
const ANSWER_MS_MAX = 5000;
/** Requests in a row: during probation a provider gets at most half of them. */
const ALL = 20;

/**
 * Makes one provider's stand-in fail and recover, while requests with a second candidate are in flight.
 * @throws Error when the provider is not excluded, or does not come back, in time; AbortError
 */
export async function showTrust(options: ShowTrustOptions): Promise<TrustReport> {
  const { requests, standInUrl, signal } = options;
  const [{ provider }] = requests;
  const sender = new Sender(options);
  try {
    await sender.until((answers) => answers.at(-1)?.provider === provider);
    await setFailing(standInUrl, [provider]);
    const badAt = performance.now();
    const before = sender.answers.length;
    await sender.until((answers) => hasCode(answers.at(-1), "DISTRUSTED"));
    const excludedAt = performance.now();
    const failed = sender.answers.slice(before).filter((it) => hasCode(it, "HANDLER_FAILED")).length;
    await setFailing(standInUrl, []);
    const goodAt = performance.now();
    await sender.until((answers) => {
      const last = answers.slice(-ALL);
      return last.length === ALL && last.every((it) => it?.provider === provider);
    });
    return {
      provider,
      failed,
      excluded_ms: Math.round(excludedAt - badAt),
      back_ms: Math.round(performance.now() - goodAt),
      unanswered: sender.answers.filter((it) => it === undefined).length,
    };
  } finally {
    if (!signal.aborted) await setFailing(standInUrl, []);
  }
}

/** Sends one request after the other, and keeps their answers; undefined: no provider answered. */
class Sender {
  readonly answers: (Answer | undefined)[] = [];
  readonly #options: ShowTrustOptions;

  constructor(options: ShowTrustOptions) {
    this.#options = options;
  }

  /** Sends until `isSo` holds. @throws Error when it takes too long */
  async until(isSo: (answers: readonly (Answer | undefined)[]) => boolean): Promise<void> {
    const deadline = performance.now() + STEP_MS_MAX;
    const { client, requests, signal } = this.#options;
    const [{ intent, body, contentType }] = requests;
    const providers = requests.map(({ provider, model }) => ({ provider, model }));
    do {
      if (performance.now() > deadline) throw new Error(`it took longer than ${STEP_MS_MAX / 1000} s`);
      const request = { providers, intent, body, contentType, timeoutMs: REQUEST_TIMEOUT_MS, signal };
      this.answers.push(await client.request(request).catch(() => undefined));
      await delay(EVERY_MS, undefined, { signal });
    } while (!isSo(this.answers));
  }
}

function hasCode(answer: Answer | undefined, code: string): boolean {
  return answer?.passedOver.some((it) => it.code === code) === true;
}

async function setFailing(standInUrl: string, providers: readonly string[]): Promise<void> {
  const response = await fetch(`${standInUrl}/failing`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ providers }),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  if (!response.ok) throw new Error(`the stand-in: ${response.status} ${await response.text()}`);
}
