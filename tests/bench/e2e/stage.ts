import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type RunningProcess, startNats, startProcess } from "@scbe/testkit";
import { type Spine, startSpine, transportVariablesOf } from "../../kit/spine.ts";
import type { LoadOrder, LoadReport } from "./load.ts";

/** The three ways that a request can take. */
export type Way = "ours" | "bare" | "hollow";

/**
 * Everything that answers requests, each part a process of its own, and a caller's process for each way. Ours is as in
 * production: keyring, replay guard on Redis, gateway, orchestrator. The others have an open nats-server of their own. What is
 * not measured just now is idle.
 */
export interface Stage extends AsyncDisposable {
  perSecond(way: Way, inFlight: number, forMs: number): Promise<number>;
}

export async function startStage(): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const spine = stack.use(await startSpine({ providers: ["openai"], envelope: false }));
  const open = stack.use(await startNats());
  const run = (file: string, env: Record<string, string>): RunningProcess =>
    stack.use(startProcess(process.execPath, [pathOf(file)], { ipc: true, env }));
  const bench = { BENCH_NATS_URL: open.url, BENCH_REDIS_URL: spine.redis?.url ?? "" };

  const gateway = run("../../kit/gateway-process.ts", ofSpine(spine, "gateway-openai"));
  await gateway.output(/serving/);
  for (const file of ["bare-responder.ts", "hollow-guard.ts", "hollow-gateway.ts"]) {
    await isReady(run(file, bench));
  }
  const callers: Record<Way, RunningProcess> = {
    ours: run("ours-caller.ts", ofSpine(spine, "orchestrator")),
    bare: run("bare-caller.ts", bench),
    hollow: run("hollow-caller.ts", bench),
  };
  await Promise.all(Object.values(callers).map(isReady));
  const held = stack.move();
  return {
    perSecond: (way, inFlight, forMs) => order(callers[way], { inFlight, forMs }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

function ofSpine(spine: Spine, user: string): Record<string, string> {
  return { ...spine.variables, ...transportVariablesOf(spine.transport(user)) };
}

/** A worker's first message. @throws Error with its output when it ends before */
async function isReady(worker: RunningProcess): Promise<void> {
  await message(worker);
}

const TRIES = 3;
const PAUSE_MS = 2000;

/** A round in which a call fails, as on a machine that stands still for seconds, is measured again, and that is said. */
async function order(caller: RunningProcess, load: LoadOrder): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const received = message(caller);
    caller.child.send(load);
    const report = (await received) as LoadReport;
    if ("perSecond" in report) return report.perSecond;
    if (tries === TRIES) throw new Error(`a round failed ${TRIES} times: ${report.failed}`);
    process.stderr.write(`  a round is measured again: ${report.failed}\n`);
    await delay(PAUSE_MS);
  }
}

async function message(worker: RunningProcess): Promise<unknown> {
  const ended = worker.exited.then(() => {
    throw new Error(`a worker of the benchmark ended:\n${worker.stdout}${worker.stderr}`);
  });
  const [received] = await Promise.race([once(worker.child, "message"), ended]);
  return received;
}
