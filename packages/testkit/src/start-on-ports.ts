import { candidatePort, listensOn } from "@scbe/local-stack";
import { eventually } from "./eventually.ts";
import { type RunningProcess, startProcess } from "./start-process.ts";

/** A server that cannot pick its own ports. */
export interface PortedServer {
  readonly program: string;
  /** How many it listens on. */
  readonly ports: number;
  /** Its arguments, once its ports are known; files that name them are written in here. */
  arguments(ports: readonly number[]): readonly string[];
  /** True when it serves. Asked once it listens on all of its ports. */
  isReady(ports: readonly number[], server: RunningProcess): Promise<boolean> | boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Ports to try; random ones unless told. */
  readonly candidate?: () => number;
  readonly timeoutMs?: number;
}

export interface StartedServer {
  readonly server: RunningProcess;
  readonly ports: readonly number[];
}

const TRIES = 5;
const READY_TIMEOUT_MS = 20_000;

/**
 * Starts a server on ports of the loopback that it binds itself, and resolves when that very process listens on all of them and is
 * ready. Where another program has one of the ports, it is started again on others.
 * @throws Error with the server's output when it does not start
 */
export async function startOnPorts(options: PortedServer): Promise<StartedServer> {
  const { program, env = {}, candidate = candidatePort } = options;
  for (let tries = 1; ; tries += 1) {
    const ports = differentPorts(options.ports, candidate);
    const server = startProcess(program, options.arguments(ports), { env });
    if (await becomesReady(server, ports, options)) return { server, ports };
    await server.kill();
    if (tries === TRIES || !/address already in use/i.test(outputOf(server))) {
      throw new Error(`${program} did not start:\n${outputOf(server)}`);
    }
  }
}

function differentPorts(count: number, candidate: () => number): readonly number[] {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(candidate());
  return [...ports];
}

async function becomesReady(
  server: RunningProcess,
  ports: readonly number[],
  { isReady, timeoutMs = READY_TIMEOUT_MS }: PortedServer,
): Promise<boolean> {
  let ended = false;
  const isEnded = (): boolean => {
    ended = true;
    return ended;
  };
  void server.exited.then(isEnded, isEnded);
  const listens = (): boolean => ports.every((port) => listensOn(server.pid, port));
  const settled = await eventually(async () => ended || (listens() && (await isReady(ports, server))), {
    timeoutMs,
    everyMs: 50,
  }).catch(() => false);
  return settled && !ended;
}

/** True for an answer with 200. @throws Error when there is none */
export async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  await response.body?.cancel();
  return response.ok;
}

/** What it has said so far. */
export function outputOf({ stdout, stderr }: RunningProcess): string {
  return stdout + stderr;
}
