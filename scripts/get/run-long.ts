import { withoutNpm } from "../bootstrap/environment.mjs";
import { runTool } from "../bootstrap/run-child.mjs";
import { say } from "../bootstrap/say.mjs";

const SAY_EVERY_MS = 10_000;

/**
 * Runs something that takes a while. Its output is shown, and every ten seconds it is said that it is still at work.
 * @throws Error when it fails
 */
export async function runLong(
  doing: string,
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<void> {
  const started = performance.now();
  say(`${doing}: ${[command, ...args].join(" ")}`);
  const beat = setInterval(() => {
    say(`${doing}: ${Math.round((performance.now() - started) / 1000)} s so far`);
  }, SAY_EVERY_MS);
  try {
    await runTool(command, args, { cwd: options.cwd, env: { ...withoutNpm(process.env), ...options.env } });
  } finally {
    clearInterval(beat);
  }
}
