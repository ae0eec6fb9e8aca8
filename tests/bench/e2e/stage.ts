import { setTimeout as delay } from "node:timers/promises";
import type { RunningProcess } from "@scbe/testkit";
import { assertSampled, type Load, type LoadOrder, type LoadReport } from "./load.ts";
import { sampledShare, type Target, Targets } from "./targets.ts";
import { nextMessage, Workers } from "./workers.ts";

/**
 * Every target with its own processes, and one process that calls it. Ours is as in production: keyring, replay guard on
 * Redis, gateway, orchestrator. The others have an open nats-server of their own.
 */
export interface Stage extends AsyncDisposable {
  perSecond(target: Target, inFlight: number, forMs: number): Promise<number>;
  /** The 99th percentile of the calls' durations. */
  p99Ms(target: Target, inFlight: number, forMs: number): Promise<number>;
}

export async function startStage(): Promise<Stage> {
  const workers = new Workers();
  const targets = new Targets(workers);
  const measure = async (target: Target, inFlight: number, forMs: number): Promise<Load> => {
    const load = await order(await targets.caller(target), { inFlight, forMs });
    assertSampled(load, sampledShare(target));
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

/** Measures a round again, and says so, if a call fails: a shared machine may freeze for seconds. */
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
