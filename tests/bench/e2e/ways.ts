import { type RunningProcess, startNats } from "@scbe/testkit";
import { type Collecting, type Deployment, startDeployment } from "./deployment.ts";
import type { Workers } from "./workers.ts";

/** Ours, and what becomes of its traces. */
const OURS = {
  ours: { collecting: "none", sampled: 0 },
  "ours-traced-1pct": { collecting: "takes", sampled: 0.01 },
  "ours-traced-100pct": { collecting: "takes", sampled: 1 },
  "ours-hanging-1pct": { collecting: "hangs", sampled: 0.01 },
  "ours-hanging-100pct": { collecting: "hangs", sampled: 1 },
} as const satisfies Record<string, { collecting: Collecting; sampled: number }>;

/** The workers of the others beside their caller, on an open nats-server. */
const OTHERS = {
  bare: ["bare-responder.ts"],
  hollow: ["hollow-guard.ts", "hollow-gateway.ts"],
} as const;

type OurWay = keyof typeof OURS;
type OtherWay = keyof typeof OTHERS;

/** The ways that a request can take. */
export type ResolvedRoute = OurWay | OtherWay;

/** The share of its requests that is traced, 0 to 1. */
export function sampledShare(way: ResolvedRoute): number {
  return isOurs(way) ? OURS[way].sampled : 0;
}

/** Starts what a way needs when it is first taken. What is not taken just now is idle. */
export class Ways {
  readonly #workers: Workers;
  readonly #started = new Map<string, Promise<unknown>>();

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  /** Takes load orders. */
  caller(way: ResolvedRoute): Promise<RunningProcess> {
    return this.#once(`caller ${way}`, () => (isOurs(way) ? this.#startOurs(way) : this.#startOther(way)));
  }

  async #startOurs(way: OurWay): Promise<RunningProcess> {
    const { collecting, sampled } = OURS[way];
    return (await this.#deployment(collecting)).startCaller(sampled);
  }

  async #startOther(way: OtherWay): Promise<RunningProcess> {
    const { redisUrl } = await this.#deployment("none");
    const open = await this.#once("open", async () => this.#workers.use(await startNats()));
    const env = { BENCH_NATS_URL: open.url, BENCH_REDIS_URL: redisUrl };
    for (const file of OTHERS[way]) await this.#workers.startReady(file, env);
    return this.#workers.startReady(`${way}-caller.ts`, env);
  }

  #deployment(collecting: Collecting): Promise<Deployment> {
    return this.#once(`deployment ${collecting}`, () => startDeployment(collecting, this.#workers));
  }

  #once<T>(key: string, start: () => Promise<T>): Promise<T> {
    const started = (this.#started.get(key) as Promise<T> | undefined) ?? start();
    this.#started.set(key, started);
    return started;
  }
}

function isOurs(way: ResolvedRoute): way is OurWay {
  return Object.hasOwn(OURS, way);
}
