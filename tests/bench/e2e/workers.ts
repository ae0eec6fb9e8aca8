import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type RunningProcess, startProcess } from "@scbe/testkit";

/** The benchmark's own processes. Disposing ends them, the last one first. */
export class Workers implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();

  /** Starts a program of this folder, with these variables and no others. */
  start(file: string, env: Readonly<Record<string, string>>, ...args: readonly string[]): RunningProcess {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const all = { PATH: process.env.PATH ?? "", ...env };
    const options = { bareEnv: true, ipc: true, env: all };
    return this.#stack.use(startProcess(process.execPath, [path, ...args], options));
  }

  /** Starts a program, and waits for its first message, which says that it is ready. */
  async startReady(...program: Parameters<Workers["start"]>): Promise<RunningProcess> {
    const worker = this.start(...program);
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

/** The next message of a worker. @throws Error with its output if it ends first */
export async function nextMessage(worker: RunningProcess): Promise<unknown> {
  const ended = worker.exited.then(() => {
    throw new Error(`a worker of the benchmark ended:\n${worker.stdout}${worker.stderr}`);
  });
  const [received] = await Promise.race([once(worker.child, "message"), ended]);
  return received;
}
