const SCRAPE_S = 30;
const ENVELOPE_BOUNDS = [5, 10, 25, 50, 100];
const SKEW_BOUNDS = [100, 500, 1000, 2000, 5000];
/** The counts of a process before the story begins. */
const EARLIER = { requests: 50_000, failures: 700, reuses: 0 };

/** The behaviour of one provider's two gateways and guard; minutes count from the begin of the story. */
export interface Story {
  readonly provider: string;
  /** The minutes, from 0 up to this one, with any scrape. */
  readonly minutes: number;
  /** Requests per second of each gateway. */
  readonly perSecond: number;
  /** Tags of the first gateway that fail in this half minute. */
  readonly failures?: (minute: number) => number;
  /** The bucket's upper bound that a tenth of the observations fall up to; the others are in the lowest. */
  readonly verifyMs?: (minute: number) => number;
  readonly skewMs?: (minute: number) => number;
  /** The first gateway restarts at this minute, with all its counters. */
  readonly restartsAt?: number;
  /** Another guard starts at this minute; it has seen a reuse before its first scrape. */
  readonly reuseAt?: number;
}

/** The stories as Prometheus would have scraped them from `start` on, every 30 s, in OpenMetrics text. */
export function historyOf(stories: readonly Story[], start: number): string {
  return `${stories.flatMap((story) => linesOf(story, start)).join("\n")}\n# EOF\n`;
}

function linesOf(story: Story, start: number): string[] {
  const { provider, minutes, perSecond, failures = () => 0, restartsAt, reuseAt } = story;
  const gateways = ["gateway-1", "gateway-2"].map((instance) => new Process("gateway", instance, provider));
  const guards = ["guard-1", "guard-2"].map((instance) => new Process("replay-guard", instance, provider));
  const lines: string[] = [];
  for (let minute = 0; minute <= minutes; minute += SCRAPE_S / 60) {
    const seconds = start / 1000 + minute * 60;
    for (const [at, gateway] of gateways.entries()) {
      if (minute === 0) gateway.begin(seconds - 86_400, EARLIER);
      if (minute === restartsAt && at === 0) gateway.begin(seconds, { requests: 0, failures: 0, reuses: 0 });
      gateway.work(perSecond * SCRAPE_S, at === 0 ? failures(minute) : 0, {
        verifyMs: story.verifyMs?.(minute) ?? 5,
        skewMs: story.skewMs?.(minute) ?? 100,
      });
      lines.push(...gateway.scrape(seconds));
    }
    for (const [at, guard] of guards.entries()) {
      if (at === 0 && minute === 0) guard.begin(seconds - 86_400, { ...EARLIER, reuses: 3 });
      if (at === 1 && minute === reuseAt) guard.begin(seconds, { requests: 0, failures: 0, reuses: 1 });
      lines.push(...guard.scrape(seconds));
    }
  }
  return lines;
}

/** One process's counters. */
class Process {
  readonly #of: string;
  readonly #isGuard: boolean;
  readonly #counters = new Map<string, number>();
  #startedAt = 0;

  constructor(job: string, instance: string, provider: string) {
    this.#isGuard = job === "replay-guard";
    this.#of = `job="${job}",instance="${provider}-${instance}",provider="${provider}"`;
  }

  begin(startedAt: number, { requests, failures, reuses }: typeof EARLIER): void {
    this.#startedAt = startedAt;
    this.#counters.clear();
    if (this.#isGuard) this.#add("scbe_nonce_reuse_count", "", reuses);
    else this.work(requests, failures, { verifyMs: 5, skewMs: 100 });
  }

  work(requests: number, failures: number, { verifyMs, skewMs }: { verifyMs: number; skewMs: number }): void {
    this.#add("scbe_gcm_attempts_total", "", requests + failures);
    this.#add("scbe_gcm_failures_total", "", failures);
    this.#add("scbe_envelope_openings_total", ',phase="request",result="opened"', requests);
    this.#observe("scbe_envelope_create_ms", ENVELOPE_BOUNDS, requests, 5);
    this.#observe("scbe_envelope_verify_ms", ENVELOPE_BOUNDS, requests, verifyMs);
    this.#observe("scbe_phase_skew_ms", SKEW_BOUNDS, requests, skewMs);
  }

  /** Nothing before its start. */
  scrape(seconds: number): string[] {
    if (this.#counters.size === 0) return [];
    const started = `process_start_time_seconds{${this.#of}} ${this.#startedAt} ${seconds}`;
    return [started, ...[...this.#counters].map(([series, value]) => `${series} ${value} ${seconds}`)];
  }

  #observe(name: string, bounds: readonly number[], count: number, slowest: number): void {
    for (const bound of bounds) {
      this.#add(`${name}_bucket`, `,phase="request",le="${bound}"`, bound >= slowest ? count : count * 0.9);
    }
    this.#add(`${name}_bucket`, ',phase="request",le="+Inf"', count);
    this.#add(`${name}_count`, ',phase="request"', count);
  }

  #add(name: string, labels: string, by: number): void {
    const series = `${name}{${this.#of}${labels}}`;
    this.#counters.set(series, (this.#counters.get(series) ?? 0) + by);
  }
}
