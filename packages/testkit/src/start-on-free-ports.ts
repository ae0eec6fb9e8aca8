import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { type RunningProcess, startProcess } from "./start-process.ts";

/** A server that cannot pick its own ports. */
export interface PortedServer {
  readonly program: string;
  /** How many it listens on. */
  readonly ports: number;
  /** Its arguments, once its ports are known; files that name them are written in here. */
  arguments(ports: readonly number[]): readonly string[];
  /** Answers with 200 when it is ready. */
  readyUrl(ports: readonly number[]): string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface StartedServer {
  readonly server: RunningProcess;
  readonly ports: readonly number[];
}

const TRIES = 5;
const READY_TIMEOUT_MS = 20_000;

/**
 * Starts a server on free ports of the loopback, and resolves when it says that it is ready. A port that we pick can be
 * taken before it listens: then with others.
 * @throws Error with the server's output when it does not start
 */
export async function startOnFreePorts(options: PortedServer): Promise<StartedServer> {
  for (let tries = 1; ; tries += 1) {
    const ports = await Promise.all(Array.from({ length: options.ports }, freePort));
    const { program, env = {} } = options;
    const server = startProcess(program, options.arguments(ports), { env });
    if (await becomesReady(server, options.readyUrl(ports))) return { server, ports };
    await server.kill();
    if (tries === TRIES || !/address already in use/.test(outputOf(server))) {
      throw new Error(`${program} did not start:\n${outputOf(server)}`);
    }
  }
}

/** Somebody else on the port may say that it is ready, while ours has ended for want of it: so ours must be there after it. */
async function becomesReady(server: RunningProcess, url: string): Promise<boolean> {
  let ended = false;
  const isEnded = (): boolean => {
    ended = true;
    return ended;
  };
  void server.exited.then(isEnded, isEnded);
  const settled = await eventually(async () => ended || (await isOk(url)), {
    timeoutMs: READY_TIMEOUT_MS,
    everyMs: 50,
  }).catch(() => false);
  return settled && !ended;
}

async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  await response.body?.cancel();
  return response.ok;
}

/** What it has said so far. */
export function outputOf({ stdout, stderr }: RunningProcess): string {
  return stdout + stderr;
}
