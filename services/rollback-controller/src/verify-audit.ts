import { parseArgs } from "node:util";
import { isScbeError, STREAMS } from "@scbe/contracts";
import {
  connectBus,
  createLogger,
  defineConfig,
  describeConfig,
  EXIT_CODES,
  readConfig,
  transportOf,
  transportVariables,
} from "@scbe/service-kit";
import { type Verification, verifyStream } from "./audit/verify-stream.ts";
import type { ChainEnd } from "./domain/audit-chain.ts";

const config = defineConfig(transportVariables);
const CONNECT_TIMEOUT_MS = 10_000;

const HELP = `Reads the whole audit stream and checks its hash chain: that no entry was altered, left out or moved.

  node services/rollback-controller/src/verify-audit.ts [options]

  --expect SEQ:HASH   an entry that was noted earlier has to be there still; any number of times
  --user NAME         the user on the bus whose seed this is (operator)
  --json              prints one JSON document

It prints the last entry as SEQ:HASH. Note it elsewhere: a chain cannot tell by itself that its newest entries were cut off, or all of
them written anew by whoever runs the server. The controllers' logs have the number and hash of every entry, too.

It reads:

${describeConfig(config)
  .map((row) => `  ${row.name}${row.default === "" ? "" : ` (${row.default})`}\n      ${row.doc}\n`)
  .join("")}
Exit codes: 0 all entries are as they were written, 1 something is wrong with them, 2 they could not be checked, 78 misconfigured.
`;

const COULD_NOT = EXIT_CODES.misused;

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = readArguments();
  if (typeof asked === "string") return complain(asked, COULD_NOT);
  if (asked.help) {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  const reading = readConfig(config, process.env);
  if (!reading.ok) return complain(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  try {
    const found = await verify({ ...transportOf(reading.config), name: asked.user }, asked.noted);
    process.stdout.write(asked.json ? `${JSON.stringify(found)}\n` : inWords(found));
    return found.ok ? EXIT_CODES.stopped : EXIT_CODES.failed;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return complain(`the audit could not be checked: ${error.message}`, COULD_NOT);
  }
}

type Connection = Omit<Parameters<typeof connectBus>[0], "log">;

async function verify(connection: Connection, noted: readonly ChainEnd[]): Promise<Verification> {
  const log = createLogger({ name: "verify-audit", level: "error", destination: process.stderr });
  await using bus = await connectBus({ ...connection, log, timeoutMs: CONNECT_TIMEOUT_MS });
  return await verifyStream(bus.stream(STREAMS.audit), noted);
}

interface Asked {
  readonly help: boolean;
  readonly json: boolean;
  readonly user: string;
  readonly noted: readonly ChainEnd[];
}

/** Or what is wrong with them. */
function readArguments(): Asked | string {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: "boolean", short: "h" },
        json: { type: "boolean" },
        user: { type: "string" },
        expect: { type: "string", multiple: true },
      },
    });
    const noted = (values.expect ?? []).map(readEnd);
    const { help = false, json = false, user = "operator" } = values;
    return { help, json, user, noted };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function readEnd(text: string): ChainEnd {
  const [, seq, hash] = /^([1-9]\d{0,14}):([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined) throw new Error(`--expect ${text}: expected SEQ:HASH`);
  return { seq: Number(seq), hash };
}

function inWords({ ok, first, last, entries, end, problems, more }: Verification): string {
  const range = last === 0 ? "the audit stream is empty" : `${entries} entries, ${first} to ${last}`;
  const lines = problems.map(({ seq, problem, says }) => `  entry ${seq}: ${problem}: ${says}`);
  return [
    ok ? `ok: ${range}` : `NOT as it was written: ${range}`,
    ...lines,
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(end !== undefined && end.seq > 0 ? [`last entry ${end.seq}:${end.hash}`] : []),
    "",
  ].join("\n");
}

function complain(what: string, exitCode: number): number {
  process.stderr.write(`${what}\n`);
  return exitCode;
}
