import { createWriteStream } from "node:fs";
import { createLogger, EXIT_CODES, readConfig } from "@scbe/service-kit";
import { ROOT } from "./check/sources.ts";
import { type StartConfig, startConfig } from "./start/config.ts";
import { type Demonstration, demonstrate } from "./start/demonstration.ts";
import { type LocalFolder, makeFolder, openFolder } from "./start/local-folder.ts";
import { takeLock } from "./start/lock.ts";
import { takenPorts, withAutoPorts } from "./start/ops-ports.ts";
import { helpText, readArguments, type StartOptions } from "./start/options.ts";
import { allWentWell, jsonReport, textReport } from "./start/report.ts";
import { type Stack, startStack } from "./start/stack.ts";
import { listenForStop, type StopSignal } from "./start/stop-signal.ts";
import { paint, print, say, warn } from "./start/terminal.ts";

const WRONG_ARGUMENTS = 2;
const NOTHING: Demonstration = { requests: [], attacks: [] };

/** `npm start`: all of SCBE on loopback, a demonstration, and then it stays up. See `npm start -- --help`. */
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const stop = listenForStop();
  const read = readArguments(args);
  if (read.kind === "help") {
    await print(helpText());
    return EXIT_CODES.stopped;
  }
  if (read.kind === "wrong") return complain(`${read.problem}\nsee npm start -- --help`, WRONG_ARGUMENTS);
  const { options } = read;
  const reading = readConfig(startConfig, process.env);
  if (!reading.ok) {
    if (options.json) await print(jsonReport(NOTHING));
    return complain(`cannot start:\n  ${reading.problems.join("\n  ")}`, EXIT_CODES.misconfigured);
  }
  const config = options.autoPorts ? withAutoPorts(reading.config) : reading.config;
  try {
    return await lockAndRun(options, config, stop);
  } catch (error) {
    if (options.json) await print(jsonReport(NOTHING));
    if (stop.signal.aborted) {
      say("stopped");
      return stop.exitCode;
    }
    return complain(error instanceof Error ? error.message : String(error), EXIT_CODES.failed);
  }
}

async function lockAndRun(options: StartOptions, config: StartConfig, stop: StopSignal): Promise<number> {
  const path = makeFolder(ROOT, config.SCBE_LOCAL_DIR);
  using lock = await takeLock(path);
  if (lock === undefined)
    throw new Error(`another npm start runs on ${path}; SCBE_LOCAL_DIR names another folder`);
  const taken = await takenPorts(config);
  if (taken.length > 0) throw new Error(taken.join("\n"));
  const isGood = await run(options, config, openFolder(path), stop);
  say("stopped");
  return isGood ? EXIT_CODES.stopped : EXIT_CODES.failed;
}

async function run(
  { once, json }: StartOptions,
  config: StartConfig,
  folder: LocalFolder,
  { signal }: StopSignal,
): Promise<boolean> {
  await using stack = await startStack({ root: ROOT, folder, config, own: process.env, signal });
  const destination = createWriteStream(folder.logFile("orchestrator"), { flags: "a", mode: 0o600 });
  const log = createLogger({ name: "orchestrator", level: config.LOG_LEVEL, destination });
  const shown = await demonstrate({ root: ROOT, stack, log, signal });
  signal.throwIfAborted();
  const isGood = allWentWell(shown);
  await print(json ? jsonReport(shown) : textReport(shown));
  if (isGood) say(paint("green", "all went as it must", process.stderr));
  else warn("not all went as it must");
  if (!once) await stayUp(stack, json, signal);
  return isGood;
}

async function stayUp({ natsUrl, parts }: Stack, json: boolean, signal: AbortSignal): Promise<void> {
  const width = Math.max(...parts.map(({ name }) => name.length));
  const lines = parts.map(({ name, opsUrl }) => `  ${name.padEnd(width)}  ${opsUrl}\n`);
  if (!json) await print(`/healthz, /readyz and /metrics are at\n${lines.join("")}\nNATS is at ${natsUrl}\n`);
  say("up; Ctrl-C stops everything");
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  say("stopping");
}

function complain(text: string, exitCode: number): number {
  for (const line of text.split("\n")) warn(line);
  return exitCode;
}
