import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import { decodeRequests, type ExampleRequest } from "@scbe/examples/decode-requests";
import { type SentRequest, sendRequests } from "@scbe/examples/send-requests";
import type { Logger } from "@scbe/service-kit";
import { connectAttacker } from "./attacker.ts";
import { type AttackReport, attack } from "./attacks.ts";
import type { Stack } from "./stack.ts";
import { say, warn } from "./terminal.ts";

export interface DemonstrationOptions {
  /** Of the checkout. */
  readonly root: string;
  readonly stack: Stack;
  readonly log: Logger;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** What the demonstration showed. */
export interface Demonstration {
  readonly requests: readonly SentRequest[];
  readonly attacks: readonly AttackReport[];
}

const REQUESTS_FILE = "examples/requests.jsonl";
const REQUEST_TIMEOUT_MS = 60_000;

/** Sends the example requests through, then attacks. @throws ScbeError and AbortError */
export async function demonstrate(options: DemonstrationOptions): Promise<Demonstration> {
  const requests = decodeRequests(readFileSync(join(options.root, REQUESTS_FILE)));
  const sent = await sendAll(requests, options);
  options.signal.throwIfAborted();
  say("attacking");
  const attacks = await attackAll(requests, options);
  return { requests: sent, attacks };
}

async function sendAll(
  requests: readonly ExampleRequest[],
  { stack, log, signal }: DemonstrationOptions,
): Promise<SentRequest[]> {
  const transport = stack.transport("orchestrator");
  const { variables } = stack;
  await using client = await connect({ name: "orchestrator", transport, variables, log, signal });
  say(`sending the ${requests.length} requests of ${REQUESTS_FILE}`);
  const sent: SentRequest[] = [];
  const options = { timeoutMs: REQUEST_TIMEOUT_MS, signal, onProblem: tell };
  for await (const one of sendRequests(client, requests, options)) {
    sent.push(one);
    if (sent.length === 1)
      say(`the first answer is here ${(performance.now() / 1000).toFixed(1)} s after the start`);
  }
  return sent;
}

function tell(id: string, error: unknown): void {
  const code = isScbeError(error) ? `${error.code}: ` : "";
  warn(`${id}: ${code}${error instanceof Error ? error.message : String(error)}`);
}

async function attackAll(
  requests: readonly ExampleRequest[],
  { stack, log, signal }: DemonstrationOptions,
): Promise<AttackReport[]> {
  const [request] = requests;
  const other = requests.find(({ provider }) => provider !== request?.provider);
  if (request === undefined || other === undefined)
    throw new Error(`${REQUESTS_FILE} names no two providers`);
  const transport = stack.transport("orchestrator");
  await using attacker = await connectAttacker({ transport, variables: stack.variables, log, signal });
  return await attack(attacker, request, other.provider);
}
