import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

export interface UntilScrapedOptions {
  /** Of Prometheus. */
  readonly url: string;
  /** The number of targets that Prometheus has to know. */
  readonly targets: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 100;
const ANSWER_MS_MAX = 2000;

/**
 * Waits until every target was scraped after this call, or until the time is up, or until `signal` aborts.
 * @returns a sentence for each target that was not; empty when all were
 */
export async function untilScraped({
  url,
  targets,
  timeoutMs,
  signal,
}: UntilScrapedOptions): Promise<string[]> {
  const since = Date.now();
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = await unscraped(url, targets, since).catch((error: Error) => [
      `Prometheus: ${error.message}`,
    ]);
    if (left.length === 0 || signal.aborted || performance.now() > deadline) return left;
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function unscraped(url: string, targets: number, since: number): Promise<string[]> {
  const answer = await fetch(`${url}/api/v1/targets?state=active`, {
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const { activeTargets } = Answer.parse(await answer.json()).data;
  if (activeTargets.length !== targets) return [`it knows ${activeTargets.length} of ${targets} targets`];
  return activeTargets
    .filter(({ health, lastScrape }) => health !== "up" || Date.parse(lastScrape) < since)
    .map(({ labels, lastError }) => `${labels.job} (${labels.instance}): ${lastError || "not yet"}`);
}

const Answer = z.object({
  data: z.object({
    activeTargets: z.array(
      z.object({
        labels: z.object({ job: z.string(), instance: z.string() }),
        health: z.string(),
        lastError: z.string(),
        lastScrape: z.string(),
      }),
    ),
  }),
});
