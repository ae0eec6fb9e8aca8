import { fileURLToPath } from "node:url";
import { type RunningProcess, startProcess } from "@scbe/testkit";

type Program = "gateway" | "orchestrator" | "stand-in";

/** One of the example programs as its own process, with only `env` and the PATH in its environment. */
export function startProgram(
  program: Program,
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): RunningProcess {
  const file = fileOf(program);
  const variables = { PATH: process.env.PATH ?? "", ...env };
  return startProcess(process.execPath, [file, ...args], { bareEnv: true, ipc: true, env: variables });
}

/** Runs a program to its end. */
export async function runProgram(...started: Parameters<typeof startProgram>) {
  const running = startProgram(...started);
  const { code } = await running.exited;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

const PARENT = `
  const { spawn } = require("node:child_process");
  spawn(process.execPath, [process.argv[1]], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
`;

/** Starts a program as the child of another process, with an IPC channel between them, as `npm start` does. */
export function startUnderParent(program: Program, env: Readonly<Record<string, string>>): RunningProcess {
  const variables = { PATH: process.env.PATH ?? "", ...env };
  return startProcess(process.execPath, ["-e", PARENT, fileOf(program)], { bareEnv: true, env: variables });
}

function fileOf(program: Program): string {
  return fileURLToPath(new URL(`../src/${program}/main.ts`, import.meta.url));
}
