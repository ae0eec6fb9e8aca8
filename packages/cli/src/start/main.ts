import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { onClosedTerminal, paint, print, say, warn } from "@scbe/local-stack";
import {
  emptyStores,
  type LocalFolder,
  NO_MONITORING,
  openFolder,
  type StartConfig,
  startConfig,
  startStack,
  takenPorts,
  withAutoPorts,
} from "@scbe/local-stack/stack";
import { readConfig } from "@scbe/runtime";
import { EXIT_CODES } from "@scbe/service";
import { carriedLines, carriedState } from "./carried-state.ts";
import { readControlState } from "./control-api.ts";
import { demonstrate, NOTHING_SHOWN } from "./demonstration.ts";
import { helpText, readArguments, type StartOptions } from "./options.ts";
import { openOrchestrator } from "./orchestrator.ts";
import { connectPlainPrograms } from "./plain-programs.ts";
import { allWentWell, firstTrace, jsonReport, textReport } from "./report.ts";
import { stayUp } from "./stay-up.ts";
import { keepTraffic } from "./traffic.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const WRONG_ARGUMENTS = 2;
const NOTHING = jsonReport(NOTHING_SHOWN, NO_MONITORING);
const REQUESTS_FILE = "examples/requests.jsonl";

/** `npm start`: all of SCBE on loopback, a demonstration, and then it stays up. See `npm start -- --help`. */
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  // The files of all servers are readable by their owner only.
  process.umask(0o077);
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
    if (options.json) await print(NOTHING);
    return complain(`cannot start:\n  ${reading.problems.join("\n  ")}`, EXIT_CODES.misconfigured);
  }
  const config = options.autoPorts ? withAutoPorts(reading.config) : reading.config;
  try {
    return await lockAndRun(options, config, stop);
  } catch (error) {
    if (options.json) await print(NOTHING);
    if (stop.signal.aborted) {
      say("stopped");
      return stop.exitCode;
    }
    return complain(error instanceof Error ? error.message : String(error), EXIT_CODES.failed);
  }
}

async function lockAndRun(options: StartOptions, config: StartConfig, stop: StopSignal): Promise<number> {
  using folder = openFolder(ROOT, config.SCBE_LOCAL_DIR);
  const taken = await takenPorts(config);
  if (taken.length > 0) throw new Error(taken.join("\n"));
  if (options.fresh) removeStored(folder);
  const isGood = await run(options, config, folder, stop);
  say("stopped");
  return isGood ? EXIT_CODES.stopped : EXIT_CODES.failed;
}

function removeStored(folder: LocalFolder): void {
  const stateDir = process.env.SCBE_STATE_DIR ?? "";
  if (existsSync(stateDir) && readdirSync(stateDir, { recursive: true }).length > 0) {
    throw new Error(
      `--fresh begins with new control documents, and what is in ${stateDir} (SCBE_STATE_DIR) would have every process refuse them: empty it, or leave the variable unset`,
    );
  }
  const emptied = emptyStores(folder);
  if (emptied.length === 0) say("--fresh: there was nothing stored");
  for (const store of emptied) say(`--fresh: removed what was in ${store}`);
}

async function run(
  { once, json }: StartOptions,
  config: StartConfig,
  folder: LocalFolder,
  { signal }: StopSignal,
): Promise<boolean> {
  const requests = decodeRequests(readFileSync(join(ROOT, REQUESTS_FILE)));
  await using orchestrator = await openOrchestrator(config.LOG_LEVEL, folder.logFile("orchestrator"));
  const { log, opsUrl: orchestratorUrl } = orchestrator;
  await using stack = await startStack({
    root: ROOT,
    folder,
    config,
    own: process.env,
    orchestratorUrl,
    signal,
  });
  await using connected = await orchestrator.connect(stack, signal);
  const { client } = connected;
  const { transport } = stack;
  await using plain = await connectPlainPrograms(PROVIDER_NAMES, { transport, log, signal });
  await stack.untilServing();
  const carried = carriedState({ ...(await readControlState(stack.control)), providers: PROVIDER_NAMES });
  for (const line of carriedLines(carried, stack.control)) warn(line);
  const shown = await demonstrate({ requests, stack, client, plain, log, carried, signal });
  signal.throwIfAborted();
  const isGood = allWentWell(shown);
  const trace = firstTrace(shown, stack.monitoring);
  await print(json ? jsonReport(shown, stack.monitoring) : textReport(shown));
  const words = Object.keys(shown.skipped).length === 0 ? "all" : "all that was shown";
  if (isGood) say(paint("green", `${words} went as it must`, process.stderr));
  else warn("not all went as it must");
  if (once) return isGood;
  // Prometheus has the metrics of the demonstration from here on.
  await stack.untilWatched();
  const traffic = keepTraffic({ client, plain, requests, signal });
  await stayUp({ stack, orchestratorUrl, traceUrl: trace?.url, quiet: json, signal });
  await traffic;
  return isGood;
}

function complain(text: string, exitCode: number): number {
  for (const line of text.split("\n")) warn(line);
  return exitCode;
}

/** Aborts at the first INT, TERM or HUP, or when the terminal is closed. Later ones have no effect. */
interface StopSignal {
  readonly signal: AbortSignal;
  /** 128 plus the signal's number, as in a shell; 0 before a signal. */
  readonly exitCode: number;
}

function listenForStop(): StopSignal {
  const controller = new AbortController();
  let exitCode = 0;
  const stop = (name: "SIGINT" | "SIGTERM" | "SIGHUP"): void => {
    if (controller.signal.aborted) return;
    exitCode = 128 + constants.signals[name];
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop(name));
  onClosedTerminal(() => stop("SIGHUP"));
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
  };
}
