import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { clientConfig, connect } from "@scbe/client";
import { isScbeError, ScbeError } from "@scbe/contracts";
import { readConfig } from "@scbe/runtime";
import { EXIT_CODES, exitCodeOf, startTracing, stopSignal } from "@scbe/service";
import { decodeRequests, type ExampleRequest } from "../requests/decode-requests.ts";
import { printProblems, textOf } from "../run-program.ts";
import { HELP, type OrchestratorOptions, readOptions } from "./options.ts";
import { requestTable, type SentRequest, sendRequests } from "./send-requests.ts";

const REQUESTS_FILE = fileURLToPath(new URL("../../requests.jsonl", import.meta.url));

process.exit(await main());

async function main(): Promise<number> {
  const signal = stopSignal();
  let work: { options: OrchestratorOptions; requests: ExampleRequest[] };
  try {
    const options = readOptions(process.argv.slice(2));
    if (options.help) return print(HELP, EXIT_CODES.stopped);
    work = { options, requests: readRequests(options.requests ?? REQUESTS_FILE) };
  } catch (error) {
    return fail("the orchestrator cannot start", error, EXIT_CODES.misused);
  }
  const reading = readConfig(clientConfig, process.env);
  if (!reading.ok) {
    printProblems("the orchestrator cannot start: its configuration has problems", reading.problems);
    return EXIT_CODES.misconfigured;
  }
  try {
    return await send(work.options, work.requests, signal);
  } catch (error) {
    return fail("the orchestrator cannot go on", error, exitCodeOf(error));
  }
}

async function send(
  { name, json, concurrency, timeoutMs }: OrchestratorOptions,
  requests: readonly ExampleRequest[],
  signal: AbortSignal,
): Promise<number> {
  await using _tracing = await startTracing({ name, version: "0.1.0" });
  await using client = await connect({ name, signal });
  const rows: SentRequest[] = [];
  const onProblem = (id: string, error: unknown): void => printProblems(`${id}:`, [textOf(error)]);
  const options = { concurrency, signal, onProblem, ...(timeoutMs !== undefined && { timeoutMs }) };
  for await (const row of sendRequests(client, requests, options)) rows.push(row);
  const ok = rows.every(({ verdict }) => verdict === "ok");
  const text = json ? `${JSON.stringify({ ok, requests: rows })}\n` : requestTable(rows);
  return print(text, ok ? EXIT_CODES.stopped : EXIT_CODES.failed);
}

/** @throws ScbeError BAD_REQUEST */
function readRequests(path: string): ExampleRequest[] {
  try {
    return decodeRequests(readFileSync(path));
  } catch (cause) {
    const why = isScbeError(cause) ? cause.message : "cannot be read";
    throw new ScbeError("BAD_REQUEST", `${path}: ${why}`, { cause });
  }
}

function print(text: string, exitCode: number): number {
  process.stdout.write(text);
  return exitCode;
}

function fail(what: string, error: unknown, exitCode: number): number {
  printProblems(what, [textOf(error)]);
  return exitCode;
}
