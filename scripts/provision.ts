import { parseArgs } from "node:util";
import { isScbeError } from "@scbe/contracts";
import {
  createLogger,
  describeConfig,
  EXIT_CODES,
  type ProvisionedStream,
  provision,
  readConfig,
  transportOf,
} from "@scbe/service-kit";
import { provisionConfig } from "./provision/config.ts";

const HELP = `Creates SCBE's NATS buckets and streams, or updates the ones there are. It can run any number of times.

  node scripts/provision.ts

It connects as the user "provision", and reads:

${describeConfig(provisionConfig)
  .map((row) => `  ${row.name}${row.default === "" ? "" : ` (${row.default})`}\n      ${row.doc}\n`)
  .join("")}
Exit codes: 0 all is as it should be, 1 failed or refused, 2 wrong arguments, 78 misconfigured.
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const help = asksForHelp();
  if (typeof help === "string") return complain("wrong arguments", [help], EXIT_CODES.misused);
  if (help) {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  const reading = readConfig(provisionConfig, process.env);
  if (!reading.ok) return complain("provision cannot start", reading.problems, EXIT_CODES.misconfigured);
  const { config } = reading;
  try {
    const result = await provision({
      ...transportOf(config),
      name: "provision",
      env: config.SCBE_ENVIRONMENT,
      replicas: config.SCBE_JETSTREAM_REPLICAS,
      log: createLogger({ name: "provision", level: "info", destination: process.stderr }),
    });
    if (!result.ok) return complain("nothing was changed", result.problems, EXIT_CODES.failed);
    process.stdout.write(result.streams.map(tell).join(""));
    return EXIT_CODES.stopped;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return complain("provisioning failed", [error.message], EXIT_CODES.failed);
  }
}

/** Or what is wrong with the arguments. */
function asksForHelp(): boolean | string {
  try {
    return parseArgs({ options: { help: { type: "boolean", short: "h" } } }).values.help === true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function tell({ stream, outcome, changes }: ProvisionedStream): string {
  return `${outcome} ${stream}\n${changes.map((change) => `  ${change}\n`).join("")}`;
}

function complain(what: string, problems: readonly string[], exitCode: number): number {
  process.stderr.write(`${what}:\n${problems.map((problem) => `  ${problem}\n`).join("")}`);
  return exitCode;
}
