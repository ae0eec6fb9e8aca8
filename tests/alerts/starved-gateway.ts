import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type RunningProcess, startProcess } from "@scbe/testkit";
import type { System } from "../kit/system.ts";

/** A gateway process from which a test can take most of the CPU. */
export interface StarvableGateway extends AsyncDisposable {
  /** The address of its ops port, for Prometheus. */
  readonly target: string;
  /**
   * Lets the process run for a few milliseconds and stops it for many, in turn, like a CPU quota that is too small. Resolves when
   * this has begun; lasts until disposed.
   */
  starve(): Promise<AsyncDisposable>;
}

const RUNS_MS = 6;
/** The delay that each stop adds. */
const STOPS_MS = 55;

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

/** Uses a thread, since timers of this one are late while it works. */
async function starve(running: RunningProcess): Promise<AsyncDisposable> {
  const worker = new Worker(new URL("starve-thread.ts", import.meta.url), {
    workerData: { pid: running.pid, runsMs: RUNS_MS, stopsMs: STOPS_MS },
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
