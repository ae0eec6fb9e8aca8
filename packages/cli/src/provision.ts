import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ProvisionedStream, provision, transportOf } from "@scbe/bus";
import { isScbeError, STORE_ACCOUNTS, type StoreAccount } from "@scbe/contracts";
import { describeConfig, readConfig } from "@scbe/runtime";
import { createLogger, EXIT_CODES } from "@scbe/service";
import { provisionConfig } from "./provision-config.ts";

const HELP = `Creates SCBE's NATS buckets and streams, or updates the ones there are. It can run any number of times.

  node scripts/provision.ts [FOLDER]

FOLDER is the one of the issued credentials: each store has an account and a provisioning user of its own there, <account>.provision.seed (or .creds).
Without it the connections are anonymous, as on a server without users. It reads:

${describeConfig(provisionConfig)
  .map((row) => `  ${row.name}${row.default === "" ? "" : ` (${row.default})`}\n      ${row.doc}\n`)
  .join("")}
Exit codes: 0 all is as it should be, 1 failed or refused, 2 wrong arguments, 78 misconfigured.
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const arguments_ = readArguments();
  if (typeof arguments_ === "string") return complain("wrong arguments", [arguments_], EXIT_CODES.misused);
  if (arguments_.help) {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  const reading = readConfig(provisionConfig, process.env);
  if (!reading.ok) return complain("provision cannot start", reading.problems, EXIT_CODES.misconfigured);
  const { config } = reading;
  try {
    const result = await provision({
      transports: STORE_ACCOUNTS.map((account) => ({
        ...transportOf({ ...config, NATS_CREDS: undefined, NATS_NKEY_SEED_FILE: undefined }),
        ...userIn(arguments_.folder, account),
        account,
        user: "provision" as const,
      })),
      env: config.SCBE_ENVIRONMENT,
      replicas: config.SCBE_JETSTREAM_REPLICAS,
      log: createLogger({ name: "provision", level: "info", destination: process.stderr }),
    });
    if (!result.ok) return complain("nothing was changed", result.problems, EXIT_CODES.failed);
    process.stdout.write(result.streams.map(lineOf).join(""));
    return EXIT_CODES.stopped;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return complain("provisioning failed", [error.message], EXIT_CODES.failed);
  }
}

interface Arguments {
  readonly help: boolean;
  readonly folder: string | undefined;
}

/** @returns a message for wrong arguments */
function readArguments(): Arguments | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { help: { type: "boolean", short: "h" } },
    });
    if (positionals.length > 1) return "one folder at most";
    return { help: values.help === true, folder: positionals[0] };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The file of the provisioning user of an account. @throws ScbeError FORBIDDEN when the folder has none */
function userIn(
  folder: string | undefined,
  account: StoreAccount,
): { credsFile?: string; nkeySeedFile?: string } {
  if (folder === undefined) return {};
  const [creds, seed] = ["creds", "seed"].map((kind) => join(folder, `${account}.provision.${kind}`)) as [
    string,
    string,
  ];
  return existsSync(creds) ? { credsFile: creds } : { nkeySeedFile: seed };
}

function lineOf({ stream, outcome, changes }: ProvisionedStream): string {
  return `${outcome} ${stream}\n${changes.map((change) => `  ${change}\n`).join("")}`;
}

function complain(what: string, problems: readonly string[], exitCode: number): number {
  process.stderr.write(`${what}:\n${problems.map((problem) => `  ${problem}\n`).join("")}`);
  return exitCode;
}
