import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type RunningProcess, startProcess } from "@scbe/testkit";

/** The benchmark's own processes, which end when this is disposed of, the last one first. */
export class Workers implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();

  /** @param file beside this one; its process gets these variables and no others */
  start(file: string, env: Readonly<Record<string, string>>): RunningProcess {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const all = { PATH: process.env.PATH ?? "", ...env };
    return this.#stack.use(startProcess(process.execPath, [path], { bareEnv: true, ipc: true, env: all }));
  }

  /** Starts one, and waits for its first message, which says that it is ready. */
  async startReady(file: string, env: Readonly<Record<string, string>>): Promise<RunningProcess> {
    const worker = this.start(file, env);
    await nextMessage(worker);
    return worker;
  }

  use<T extends AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** What a worker says next. @throws Error with its output when it ends before */
export async function nextMessage(worker: RunningProcess): Promise<unknown> {
  const ended = worker.exited.then(() => {
    throw new Error(`a worker of the benchmark ended:\n${worker.stdout}${worker.stderr}`);
  });
  const [received] = await Promise.race([once(worker.child, "message"), ended]);
  return received;
}
