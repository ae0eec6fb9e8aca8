import { parseArgs } from "node:util";
import { ScbeError } from "@scbe/contracts";

/** What the command line asks for. */
export interface OrchestratorOptions {
  readonly help: boolean;
  readonly json: boolean;
  /** Path of the requests; undefined: the ones of the examples. */
  readonly requests: string | undefined;
  readonly concurrency: number;
  /** Undefined: the client's own. */
  readonly timeoutMs: number | undefined;
  /** The user on the bus. */
  readonly name: string;
}

const CONCURRENCY_MAX = 1024;
const TIMEOUT_MS_MAX = 3_600_000;

/** @throws ScbeError BAD_REQUEST for what it does not know, or out of bounds */
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
  throw new ScbeError("BAD_REQUEST", `${name} is to be an integer from 1 to ${max}`);
}

export const HELP = `Sends the requests of a JSONL file to their providers, sealed, and says how each went.

  node examples/src/orchestrator/main.ts [options]

  --requests FILE    the requests; examples/requests.jsonl unless told
  --concurrency N    requests under way at once; 8
  --timeout-ms N     for each request; SCBE_REQUEST_TIMEOUT_MAX_MS unless told
  --name NAME        the user on the bus; orchestrator
  --json             one JSON document on standard output in place of the table
  -h, --help         this text

It reads the client's variables: docs/configuration.md.

Exit codes: 0 every request was answered as it must be; 1 some were not, or it could not go on; 2 wrong options or
requests; 78 misconfigured.
`;
