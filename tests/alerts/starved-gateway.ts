import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type RunningProcess, startProcess } from "@scbe/testkit";
import type { System } from "../kit/system.ts";

/** A gateway of its own process, which can be left with hardly any CPU. */
export interface StarvableGateway extends AsyncDisposable {
  /** Its ops port, as Prometheus wants it. */
  readonly target: string;
  /**
   * From now on it runs for some milliseconds, then stands still for many, as under a CPU quota that is too small for it;
   * until what is returned is disposed of. Resolves when it has begun.
   */
  starve(): Promise<AsyncDisposable>;
}

const RUNS_MS = 6;
/** Whatever it was doing takes longer by that much. */
const STANDS_MS = 55;

export async function starvableGateway(system: System, provider: string): Promise<StarvableGateway> {
  const file = fileURLToPath(new URL("../kit/short-gateway-program.ts", import.meta.url));
  const running = startProcess(process.execPath, [file], {
    bareEnv: true,
    ipc: true,
    env: {
      PATH: process.env.PATH ?? "",
      ...system.environment(`gateway-${provider}`),
      GATEWAY_PROVIDER: provider,
    },
  });
  const [, port] = await running.output(/serving, ops port (\d+)/, { timeoutMs: 30_000 });
  return {
    target: `127.0.0.1:${port}`,
    starve: () => starve(running),
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

/** By a thread of its own, since this one is late whenever it has work to do. */
async function starve(running: RunningProcess): Promise<AsyncDisposable> {
  const worker = new Worker(new URL("starve-thread.ts", import.meta.url), {
    workerData: { pid: running.pid, runsMs: RUNS_MS, standsMs: STANDS_MS },
    execArgv: [],
  });
  await once(worker, "message");
  let failure: Error | undefined;
  worker.once("error", (error) => {
    failure = error;
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await worker.terminate();
      running.resume();
      if (failure !== undefined) throw failure;
    },
  };
}
