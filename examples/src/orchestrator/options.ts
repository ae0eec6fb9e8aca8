import { parseArgs } from "node:util";
import { ScbeError } from "@scbe/contracts";

/** The options of the command line. */
export interface OrchestratorOptions {
  readonly help: boolean;
  readonly json: boolean;
  /** Path of the requests; undefined: those of the examples. */
  readonly requests: string | undefined;
  readonly concurrency: number;
  /** Undefined: the client's default. */
  readonly timeoutMs: number | undefined;
  /** The user on the bus. */
  readonly name: string;
}

const CONCURRENCY_MAX = 1024;
const TIMEOUT_MS_MAX = 3_600_000;

/** @throws ScbeError BAD_REQUEST for an unknown option or a value out of bounds */
export function readOptions(args: readonly string[]): OrchestratorOptions {
  const values = parse(args);
  return {
    help: values.help ?? false,
    json: values.json ?? false,
    requests: values.requests,
    concurrency: integer("--concurrency", values.concurrency ?? "8", CONCURRENCY_MAX),
    timeoutMs:
      values["timeout-ms"] === undefined
        ? undefined
        : integer("--timeout-ms", values["timeout-ms"], TIMEOUT_MS_MAX),
    name: values.name ?? "orchestrator",
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean", short: "h" },
        json: { type: "boolean" },
        requests: { type: "string" },
        concurrency: { type: "string" },
        "timeout-ms": { type: "string" },
        name: { type: "string" },
      },
    }).values;
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", (cause as Error).message, { cause });
  }
}

function integer(name: string, text: string, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new ScbeError("BAD_REQUEST", `${name} must be an integer from 1 to ${max}`);
}

export const HELP = `Sends the requests of a JSONL file to their providers, sealed, and prints the result of each.

  node examples/src/orchestrator/main.ts [options]

  --requests FILE    the requests; default examples/requests.jsonl
  --concurrency N    requests in flight; default 8
  --timeout-ms N     for each request; default SCBE_REQUEST_TIMEOUT_MAX_MS
  --name NAME        the user on the bus; default orchestrator
  --json             prints one JSON document in place of the table
  -h, --help         this text

It reads the client's variables: docs/configuration.md.

Exit codes: 0 every request got a correct answer; 1 some did not, or the program failed; 2 wrong options or requests;
78 misconfigured.
`;
