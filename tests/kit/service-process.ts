import { fileURLToPath } from "node:url";
import { eventually, type RunningProcess, startProcess } from "@scbe/testkit";

/** One of our services as a process of its own, as in production. */
export interface ServiceProcess extends AsyncDisposable {
  readonly name: string;
  /** Of this run. */
  readonly process: RunningProcess;
  /** Where `/readyz` and `/metrics` are. */
  readonly opsUrl: string;
  /** Resolves when `/readyz` says so. */
  ready(timeoutMs?: number): Promise<void>;
  /** TERM, and its end; the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL, and its end. */
  kill(): Promise<void>;
  /** Starts it again, killing it first where it still runs; resolves when it is ready. */
  restart(): Promise<void>;
}

/** @param path of its main file, from the repository's root */
export async function startServiceProcess(
  name: string,
  path: string,
  env: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const launch = (): RunningProcess =>
    startProcess(process.execPath, [file], {
      bareEnv: true,
      ipc: true,
      env: { PATH: process.env.PATH ?? "", SCBE_OPS_PORT: "0", LOG_LEVEL: "info", ...env },
    });
  let running = launch();
  let opsUrl = await opsUrlOf(running);

  const ready = async (timeoutMs = 20_000): Promise<void> => {
    try {
      await eventually(async () => (await fetch(`${opsUrl}/readyz`)).ok, { timeoutMs });
    } catch (cause) {
      const told = await fetch(`${opsUrl}/readyz`)
        .then((answer) => answer.text())
        .catch(() => "no answer");
      throw new Error(`${name} is not ready: ${told}\n${running.stdout}${running.stderr}`, { cause });
    }
  };
  return {
    name,
    get process() {
      return running;
    },
    get opsUrl() {
      return opsUrl;
    },
    ready,
    stop: async () => {
      running.signal("SIGTERM");
      return (await running.exited).code;
    },
    kill: () => running.kill(),
    restart: async () => {
      await running.kill();
      running = launch();
      opsUrl = await opsUrlOf(running);
      await ready();
    },
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

async function opsUrlOf(running: RunningProcess): Promise<string> {
  const [, port] = await running.output(/"opsPort":(\d+)/, { timeoutMs: 30_000 });
  return `http://127.0.0.1:${port}`;
}
