import type { StdioOptions } from "node:child_process";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The stop signal that was passed on to it. */
  readonly stoppedBy: NodeJS.Signals | undefined;
}

interface Surroundings {
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function runChild(
  command: string,
  args: readonly string[],
  options: Surroundings & { readonly stdio: StdioOptions },
): Promise<Ended>;
export function runTool(command: string, args: readonly string[], options: Surroundings): Promise<void>;
export function withoutNpm(environment: NodeJS.ProcessEnv): Record<string, string | undefined>;
