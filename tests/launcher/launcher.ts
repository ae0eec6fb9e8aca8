import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type ProcessOptions, type RunningProcess, startProcess } from "@scbe/testkit";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The real `npm start`, with its files in a folder of the test. */
export interface Launcher extends AsyncDisposable {
  /** The npm process. */
  readonly npm: RunningProcess;
  /** All its current processes, including npm. */
  processes(): readonly FoundProcess[];
  /** Its processes with `part` in their command line. */
  find(part: string): readonly FoundProcess[];
}

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * Starts it. An environment variable marks its processes. redis-server overwrites its environment, so its working folder marks it.
 * @param folder of the local stack
 */
export function startLauncher(
  folder: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Launcher {
  const id = randomUUID();
  const env = { ...variables, SCBE_LOCAL_DIR: folder, [ID_VARIABLE]: id };
  const npm = startProcess("npm", ["start", "--silent", "--", ...args], bareOptions(env));
  const processes = (): readonly FoundProcess[] => [...processesOf(id), ...redisIn(folder)];
  return {
    npm,
    processes,
    find: (part) => processes().filter(({ command }) => command.includes(part)),
    [Symbol.asyncDispose]: async () => {
      await npm.kill();
      for (const { pid } of processesOf(id)) endIfThere(pid);
    },
  };
}

const ID_VARIABLE = "SCBE_TEST_LAUNCHER";

function bareOptions(variables: Readonly<Record<string, string>>): ProcessOptions {
  const path = [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
  return { cwd: ROOT, bareEnv: true, env: { PATH: path, HOME: process.env.HOME ?? "", ...variables } };
}

function processesOf(id: string): readonly FoundProcess[] {
  return findProcesses((pid) => readProc(pid, "environ").includes(`${ID_VARIABLE}=${id}`));
}

function redisIn(folder: string): readonly FoundProcess[] {
  return findProcesses(
    (pid) => readProc(pid, "comm")[0]?.trim() === "redis-server" && workingFolderOf(pid).startsWith(folder),
  );
}

function findProcesses(isWanted: (pid: string) => boolean): readonly FoundProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isWanted(name))
    .map((name) => ({ pid: Number(name), command: readProc(name, "cmdline").join(" ") }));
}

function workingFolderOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

/** The words of a file of /proc; none for a process that has ended or belongs to another user. */
function readProc(pid: string, file: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function endIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process has ended already.
  }
}
