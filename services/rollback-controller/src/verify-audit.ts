import { parseArgs } from "node:util";
import {
  type Bus,
  connectBus,
  environmentVariables,
  ownerStream,
  transportOf,
  transportVariables,
} from "@scbe/bus";
import { type HeldGeneration, isScbeError, ScbeError, subjectOf, writeMessage } from "@scbe/contracts";
import { type ControlDocument, readControl } from "@scbe/envelope/control";
import { type ConfigValues, defineConfig, describeConfig, readConfig, text } from "@scbe/runtime";
import { createLogger, EXIT_CODES } from "@scbe/service";
import type { ChainEnd } from "./audit/chain.ts";
import { type Verification, verifyStream } from "./audit/verify.ts";

const config = defineConfig({
  SCBE_ENVIRONMENT: environmentVariables.SCBE_ENVIRONMENT,
  SCBE_CONTROL_PUBLIC_KEY: text({
    optional: true,
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "the controller's public nkey: U and 55 characters of base32",
    doc: "The key that must have signed the control document. Without it the audit is not compared with the entry that the document names.",
  }),
  ...transportVariables,
});
type Config = ConfigValues<typeof config>;

const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST = { timeoutMs: 3000, againAfterMs: 500 };

const HELP = `Reads the whole audit stream through a controller and checks its hash chain: that no entry was altered, left out or moved, and that
the stream has the entry which the signed control document names as the last one that its controller knew.

  node services/rollback-controller/src/verify-audit.ts [options]

  --expect SEQ:HASH   an entry that was noted earlier must still be in the stream; any number of times
  --user NAME         the user on the bus whose seed this is (operator)
  --json              prints one JSON document

It prints the last entry as SEQ:HASH. Note it elsewhere: only such a note, and the controllers' logs with the number and hash of every
entry, reveal the loss of entries that are newer than the control document.

It reads:

${describeConfig(config)
  .map((row) => `  ${row.name}${row.default === "" ? "" : ` (${row.default})`}\n      ${row.doc}\n`)
  .join("")}
Exit codes: 0 all entries are as they were written, 1 an entry is wrong or missing, 2 the audit could not be checked, 78 misconfigured.
`;

const NOT_CHECKED = EXIT_CODES.misused;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readArguments();
  if (typeof options === "string") return fail(options, NOT_CHECKED);
  if (options.help) {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  const reading = readConfig(config, process.env);
  if (!reading.ok) return fail(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  try {
    const { found, compared } = await verify(reading.config, options);
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ ...found, compared: compared ?? null })}\n`
        : describeFindings(found) + describeComparison(compared, reading.config),
    );
    return found.ok ? EXIT_CODES.stopped : EXIT_CODES.failed;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return fail(`the audit could not be checked: ${error.message}`, NOT_CHECKED);
  }
}

interface Verified {
  readonly found: Verification;
  /** The entry that the control document names; undefined: it names none, or was not read. */
  readonly compared: ChainEnd | undefined;
}

async function verify(values: Config, { user, noted }: Options): Promise<Verified> {
  const log = createLogger({ name: "verify-audit", level: "error", destination: process.stderr });
  const connection = { ...transportOf(values), name: user, log, timeoutMs: CONNECT_TIMEOUT_MS };
  await using bus = await connectBus(connection);
  const compared = (await signedDocument(bus, values))?.state.audit;
  const stream = ownerStream(bus, subjectOf("auditRead", { user: bus.user }));
  const found = await verifyStream(stream, compared === undefined ? noted : [...noted, compared]);
  return { found, compared };
}

/** Undefined if no key is configured to verify it. @throws ScbeError FORBIDDEN if another key has signed it; what a request throws */
async function signedDocument(
  bus: Bus,
  { SCBE_ENVIRONMENT: env, SCBE_CONTROL_PUBLIC_KEY: publicKey }: Config,
): Promise<ControlDocument | undefined> {
  if (publicKey === undefined) return undefined;
  const request: HeldGeneration = { v: 1, generation: null };
  const bytes = writeMessage(request);
  const { data } = await bus.request(subjectOf("controlGet", { user: bus.user }), bytes, REQUEST);
  const read = readControl(data, { env, publicKey });
  if (read.ok) return read.document;
  throw new ScbeError("FORBIDDEN", `no control document for ${env} that SCBE_CONTROL_PUBLIC_KEY has signed`);
}

interface Options {
  readonly help: boolean;
  readonly json: boolean;
  readonly user: string;
  readonly noted: readonly ChainEnd[];
}

/** The options of this process, or the problem with them. */
function readArguments(): Options | string {
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

function describeFindings({ ok, first, last, entries, end, problems, more }: Verification): string {
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

function describeComparison(compared: ChainEnd | undefined, config: Config): string {
  if (compared !== undefined) return `compared with the control document: entry ${compared.seq}\n`;
  const why =
    config.SCBE_CONTROL_PUBLIC_KEY === undefined ? "SCBE_CONTROL_PUBLIC_KEY is not set" : "it names no entry";
  return `not compared with the control document: ${why}\n`;
}

function fail(message: string, exitCode: number): number {
  process.stderr.write(`${message}\n`);
  return exitCode;
}
