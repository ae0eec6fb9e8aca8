import { setTimeout as delay } from "node:timers/promises";
import type { RunningProcess } from "@scbe/testkit";
import { assertSampled } from "./assert-sampled.ts";
import type { LoadOrder, LoadReport } from "./load.ts";
import type { Load } from "./measure-load.ts";
import { type ResolvedRoute, sampledShare, Ways } from "./ways.ts";
import { nextMessage, Workers } from "./workers.ts";

export type { ResolvedRoute } from "./ways.ts";

/**
 * Everything that answers requests, each part a process of its own, and a caller's process for each way. Ours is as in
 * production: keyring, replay guard on Redis, gateway, orchestrator. The others have an open nats-server of their own. A way's
 * processes start when it is first taken; what is not measured just now is idle.
 */
export interface Stage extends AsyncDisposable {
  perSecond(way: ResolvedRoute, inFlight: number, forMs: number): Promise<number>;
  /** Milliseconds that 99 of 100 calls did not take longer than. */
  p99Ms(way: ResolvedRoute, inFlight: number, forMs: number): Promise<number>;
}

export async function startStage(): Promise<Stage> {
  const workers = new Workers();
  const ways = new Ways(workers);
  const measure = async (way: ResolvedRoute, inFlight: number, forMs: number): Promise<Load> => {
    const load = await order(await ways.caller(way), { inFlight, forMs });
    assertSampled(load, sampledShare(way));
    return load;
  };
  return {
    perSecond: async (...round) => (await measure(...round)).perSecond,
    p99Ms: async (...round) => (await measure(...round)).p99Ms,
    [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose](),
  };
}

const TRIES = 3;
const PAUSE_MS = 2000;

/** A round in which a call fails, as on a machine that stands still for seconds, is measured again, and that is said. */
async function order(caller: RunningProcess, load: LoadOrder): Promise<Load> {
  for (let tries = 1; ; tries += 1) {
    const received = nextMessage(caller);
    caller.child.send(load);
    const report = (await received) as LoadReport;
    if ("perSecond" in report) return report;
    if (tries === TRIES) throw new Error(`a round failed ${TRIES} times: ${report.failed}`);
    process.stderr.write(`  a round is measured again: ${report.failed}\n`);
    await delay(PAUSE_MS);
  }
}
