import { fileURLToPath } from "node:url";
import { eventually, type RunningProcess, startProcess } from "@scbe/testkit";

/** A service as a process of its own, as in production. */
export interface ServiceProcess extends AsyncDisposable {
  readonly name: string;
  /** The current process; it changes with each launch. */
  readonly process: RunningProcess;
  /** The URL before `/readyz` and `/metrics`. */
  readonly opsUrl: string;
  /** The controller's API; set when it is ready. */
  readonly apiUrl: string;
  /** Waits until `/readyz` reports ready. */
  ready(timeoutMs?: number): Promise<void>;
  /** Sends TERM and waits for the end. @returns the exit code */
  stop(): Promise<number | null>;
  /** Sends SIGKILL and waits for the end. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it again. Resolves when it runs, ready or not. */
  launch(): Promise<void>;
  /** {@link launch}, then waits until it is ready. */
  restart(): Promise<void>;
}

/** @param path of its main file, from the repository's root */
export async function startServiceProcess(
  name: string,
  path: string,
  env: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const spawn = (): RunningProcess =>
    startProcess(process.execPath, [file], {
      bareEnv: true,
      ipc: true,
      env: {
        PATH: process.env.PATH ?? "",
        SCBE_OPS_PORT: "0",
        SCBE_CONTROL_API_PORT: "0",
        LOG_LEVEL: "info",
        ...env,
      },
    });
  let running = spawn();
  let opsUrl = await opsUrlOf(running);
  let apiUrl = "";

  const ready = async (timeoutMs = 60_000): Promise<void> => {
    try {
      await eventually(async () => (await fetch(`${opsUrl}/readyz`)).ok, { timeoutMs });
      if (path.includes("rollback-controller")) apiUrl = await urlOf(running, "apiPort");
    } catch (cause) {
      const report = await fetch(`${opsUrl}/readyz`)
        .then((answer) => answer.text())
        .catch(() => "no answer");
      throw new Error(`${name} is not ready: ${report}\n${running.stdout}${running.stderr}`, { cause });
    }
  };
  const launch = async (): Promise<void> => {
    await running.kill();
    running = spawn();
    opsUrl = await opsUrlOf(running);
  };
  return {
    name,
    get process() {
      return running;
    },
    get opsUrl() {
      return opsUrl;
    },
    get apiUrl() {
      return apiUrl;
    },
    ready,
    stop: async () => {
      running.signal("SIGTERM");
      return (await running.exited).code;
    },
    kill: () => running.kill(),
    launch,
    restart: async () => {
      await launch();
      await ready();
    },
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

function opsUrlOf(running: RunningProcess): Promise<string> {
  return urlOf(running, "opsPort");
}

async function urlOf(running: RunningProcess, port: "opsPort" | "apiPort"): Promise<string> {
  const [, number] = await running.output(new RegExp(`"${port}":(\\d+)`), { timeoutMs: 120_000 });
  return `http://127.0.0.1:${number}`;
}
