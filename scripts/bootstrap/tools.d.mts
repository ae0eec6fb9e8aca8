export interface Tool {
  /** Names its path. */
  readonly variable: string;
  /** What its file may be called; the first that is found counts. */
  readonly programs: readonly [string, ...string[]];
  /** The command that brings it. */
  readonly bring: string;
}

export const TOOLS: Readonly<Record<string, Tool>>;
export function toolEnvironment(root: string): Record<string, string>;
export function findTool(root: string, name: string): string | undefined;
export function binFolder(root: string): string;
export function findExecutable(name: string, moreFolders?: readonly string[]): string | undefined;
