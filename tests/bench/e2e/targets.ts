import { type RunningProcess, startNats } from "@scbe/testkit";
import { startSystem } from "../../kit/system.ts";
import { nextMessage, type Workers } from "./workers.ts";

/** Where ours sends its traces: to no collector, to one that takes them, or to one that never answers. */
type Collecting = "none" | "takes" | "hangs";

/** Ours, by the share of its requests that is traced, 0 to 1. */
const OURS = {
  ours: { collecting: "none", sampled: 0 },
  "ours-traced-1pct": { collecting: "takes", sampled: 0.01 },
  "ours-traced-100pct": { collecting: "takes", sampled: 1 },
  "ours-hanging-1pct": { collecting: "hangs", sampled: 0.01 },
  "ours-hanging-100pct": { collecting: "hangs", sampled: 1 },
} as const satisfies Record<string, { collecting: Collecting; sampled: number }>;

/** What ours is compared with, on an open nats-server: its processes beside the caller. */
const OTHERS = {
  bare: ["responder"],
  stub: ["guard", "gateway"],
} as const;

type OurTarget = keyof typeof OURS;
type OtherTarget = keyof typeof OTHERS;

/** A system under load. */
export type Target = OurTarget | OtherTarget;

/** The share of a target's requests that is traced, 0 to 1. */
export function sampledShare(target: Target): number {
  return isOurs(target) ? OURS[target].sampled : 0;
}

/** Starts the processes of a target at its first round. The processes of the other targets are idle meanwhile. */
export class Targets {
  readonly #workers: Workers;
  readonly #started = new Map<string, Promise<unknown>>();

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  /** The process that takes load orders. */
  caller(target: Target): Promise<RunningProcess> {
    return this.#once(`caller ${target}`, () =>
      isOurs(target) ? this.#startOurs(target) : this.#startOther(target),
    );
  }

  async #startOurs(target: OurTarget): Promise<RunningProcess> {
    const { collecting, sampled } = OURS[target];
    return (await this.#deployment(collecting)).startCaller(sampled);
  }

  async #startOther(target: OtherTarget): Promise<RunningProcess> {
    const { redisUrl } = await this.#deployment("none");
    const open = await this.#once("open", async () => this.#workers.use(await startNats()));
    const env = { BENCH_NATS_URL: open.url, BENCH_REDIS_URL: redisUrl };
    const program = `${target}-program.ts`;
    for (const part of OTHERS[target]) await this.#workers.startReady(program, env, part);
    return this.#workers.startReady(program, env, "caller");
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

function isOurs(target: Target): target is OurTarget {
  return Object.hasOwn(OURS, target);
}

/** Keyring, replay guard and gateway, on a NATS and a Redis of their own. */
interface Deployment {
  readonly redisUrl: string;
  /** Starts an orchestrator that takes load orders. @param sampled the share of its requests, 0 to 1, that is traced */
  startCaller(sampled: number): Promise<RunningProcess>;
}

async function startDeployment(collecting: Collecting, workers: Workers): Promise<Deployment> {
  const variables = await tracingVariables(collecting, workers);
  const system = workers.use(await startSystem({ providers: ["openai"], envelope: false, variables }));
  const gateway = workers.start("../../kit/echo-gateway-program.ts", system.environment("gateway-openai"));
  await gateway.output(/serving/);
  return {
    redisUrl: system.redis?.url ?? "",
    startCaller: (sampled) =>
      workers.startReady("ours-program.ts", {
        ...system.environment("orchestrator"),
        OTEL_TRACES_SAMPLER_ARG: String(sampled),
      }),
  };
}

/** The orchestrator decides which requests are traced. Traces that services start themselves are sampled as in production. */
async function tracingVariables(collecting: Collecting, workers: Workers): Promise<Record<string, string>> {
  if (collecting === "none") return {};
  const hangs = collecting === "hangs" ? "1" : "0";
  const collector = workers.start("collector-program.ts", { BENCH_COLLECTOR_HANGS: hangs });
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: String(await nextMessage(collector)),
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.01",
  };
}
