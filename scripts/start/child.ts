import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** It ends when this channel does. */
  readonly ipc: boolean;
  /** Hears what it sends over that channel. */
  readonly onMessage?: (message: unknown) => void;
  readonly logFile: string;
}

export interface Exit {
  readonly code: number | null;
  /** What ended it, in words. */
  readonly how: string;
}

/** A running program, in a process group of its own. */
export interface Child {
  readonly startedAt: number;
  /** -1 where it could not be started. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** TERM, and KILL after `deadlineMs`; resolves at its end. True when TERM was enough. */
  stop(deadlineMs: number): Promise<boolean>;
}

/**
 * Starts a program that does not outlive this one. A process group of its own keeps the terminal's Ctrl-C from it, so that
 * we can stop our programs in order. On Linux the kernel kills it when we are gone, however that came about.
 */
export function startChild({ file, args, env, ipc, onMessage, logFile }: Command): Child {
  const log = openSync(logFile, "a", 0o600);
  const [program = file, ...words] = [...TETHER, file, ...args];
  const child = spawn(program, words, {
    env: { ...env },
    detached: true,
    stdio: ["ignore", log, log, ...(ipc ? (["ipc"] as const) : [])],
  });
  closeSync(log);
  alive.add(child);
  if (onMessage !== undefined) child.on("message", onMessage);
  const startedAt = performance.now();
  const exited = new Promise<Exit>((resolve) => {
    child.once("error", ({ message }) => resolve({ code: null, how: `cannot be run: ${message}` }));
    child.once("exit", (code, signal) => {
      resolve({ code, how: signal === null ? `exit code ${code}` : `signal ${signal}` });
    });
  }).finally(() => alive.delete(child));
  return { startedAt, pid: child.pid ?? -1, exited, stop: (deadlineMs) => stop(child, exited, deadlineMs) };
}

async function stop(child: ChildProcess, exited: Promise<Exit>, deadlineMs: number): Promise<boolean> {
  if (alive.has(child)) signalGroup(child, "SIGTERM");
  const waiting = new AbortController();
  const late = delay(deadlineMs, true, { signal: waiting.signal }).catch(() => false);
  const isLate = await Promise.race([late, exited.then(() => false)]);
  waiting.abort();
  if (isLate) signalGroup(child, "SIGKILL");
  await exited;
  return !isLate;
}

/** setpriv becomes the program, so that its process is the program's. */
const TETHER = ["/usr/bin/setpriv", "/bin/setpriv"]
  .filter(isExecutable)
  .slice(0, 1)
  .flatMap((setpriv) => [setpriv, "--pdeathsig", "KILL", "--"]);

const alive = new Set<ChildProcess>();

/** Whatever went wrong in here: nothing stays behind. */
process.on("exit", () => {
  for (const child of alive) signalGroup(child, "SIGKILL");
});

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended by itself.
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
