import type { Client } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import { type SentRequest, sendRequests } from "@scbe/examples/send-requests";
import type { Logger } from "@scbe/service-kit";
import { connectAttacker } from "./attacker.ts";
import { type AttackReport, attack } from "./attacks.ts";
import { health } from "./control-api.ts";
import type { PlainPrograms } from "./plain-requests.ts";
import { type KillReport, showKill } from "./show-kill.ts";
import { showTrust, type TrustReport } from "./show-trust.ts";
import type { Stack } from "./stack.ts";
import { say, warn } from "./terminal.ts";

export interface DemonstrationOptions {
  readonly requests: readonly ExampleRequest[];
  readonly stack: Stack;
  readonly client: Client;
  readonly plain: PlainPrograms;
  readonly log: Logger;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** What the demonstration showed. */
export interface Demonstration {
  readonly requests: readonly SentRequest[];
  readonly attacks: readonly AttackReport[];
  /** Requests of plain programs, through the envelope service, and how many of them were answered. */
  readonly plain: { readonly sent: number; readonly answered: number };
  /** Of the switching off and on; null where it was not shown. */
  readonly kill: KillReport | null;
  /** Of a provider that turned bad; null where that was not shown, absent where the stand-in answers for no two providers. */
  readonly trust?: TrustReport | null;
  /** Of the first request; absent where there is none. */
  readonly traceId?: string;
}

export const NOTHING_SHOWN: Demonstration = {
  requests: [],
  attacks: [],
  plain: { sent: 0, answered: 0 },
  kill: null,
};

const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Sends the example requests through, then attacks, has plain programs send a few, turns a provider bad and good again, and at last switches
 * everything off and on again.
 * @throws ScbeError and AbortError
 */
export async function demonstrate(options: DemonstrationOptions): Promise<Demonstration> {
  await options.stack.untilWatched();
  await tellIfKilled(options.stack);
  const { sent, traceId } = await sendAll(options);
  options.signal.throwIfAborted();
  await options.stack.untilScored();
  say("attacking");
  const [attacks, plain] = await Promise.all([attackAll(options), sendPlain(options)]);
  options.signal.throwIfAborted();
  const trust = await turnsBad(options);
  const kill = await kills(options);
  return {
    ...{ requests: sent, attacks, plain, kill },
    ...(trust !== undefined && { trust }),
    ...(traceId !== undefined && { traceId }),
  };
}

/** The state of the control plane outlives a stop, as all state does. */
async function tellIfKilled({ control }: Stack): Promise<void> {
  const { envelope_mode: mode } = await health(control);
  if (mode !== "enforced")
    warn(`the kill switch or the flags are as they were left: nothing is sealed (${mode}); ${RELEASE}`);
}

const RELEASE = "scripts/scbe-kill-switch.sh deactivate puts it back";

async function turnsBad(options: DemonstrationOptions): Promise<TrustReport | null | undefined> {
  const { stack, client, requests, signal } = options;
  const { url: standInUrl, providers } = stack.standIn;
  const [bad, next] = providers
    .toReversed()
    .flatMap((provider) => requests.find((it) => it.provider === provider && isJson(it)) ?? []);
  if (bad === undefined || next === undefined) return undefined;
  say(`turning ${bad.provider} bad, and good again`);
  try {
    return await showTrust({ client, standInUrl, requests: [bad, next], signal });
  } catch (error) {
    signal.throwIfAborted();
    tell("trust", error);
    return null;
  }
}

/** Which goes to another provider unchanged. */
function isJson({ contentType }: ExampleRequest): boolean {
  return contentType === "application/json";
}

async function kills({ stack, client, requests, signal }: DemonstrationOptions): Promise<KillReport | null> {
  say("switching everything off, and on again");
  try {
    return await showKill({ control: stack.control, client, requests, signal });
  } catch (error) {
    signal.throwIfAborted();
    tell("kill switch", error);
    return null;
  }
}

async function sendAll({
  requests,
  client,
  signal,
}: DemonstrationOptions): Promise<{ sent: SentRequest[]; traceId: string | undefined }> {
  say(`sending the ${requests.length} example requests`);
  const sent: SentRequest[] = [];
  let traceId: string | undefined;
  const traced: Pick<Client, "request"> = {
    request: async (request) => {
      const answer = await client.request(request);
      if (request.body === requests[0]?.body) traceId = answer.traceId;
      return answer;
    },
  };
  const options = { timeoutMs: REQUEST_TIMEOUT_MS, signal, onProblem: tell };
  for await (const one of sendRequests(traced, requests, options)) {
    sent.push(one);
    if (sent.length === 1)
      say(`the first answer is here ${(performance.now() / 1000).toFixed(1)} s after the start`);
  }
  return { sent, traceId };
}

function tell(id: string, error: unknown): void {
  const code = isScbeError(error) ? `${error.code}: ` : "";
  warn(`${id}: ${code}${error instanceof Error ? error.message : String(error)}`);
}

async function attackAll({
  requests,
  stack,
  log,
  signal,
}: DemonstrationOptions): Promise<readonly AttackReport[]> {
  const [request] = requests;
  const other = requests.find(({ provider }) => provider !== request?.provider);
  if (request === undefined || other === undefined) throw new Error("the examples name no two providers");
  const transport = stack.transport("orchestrator");
  await using attacker = await connectAttacker({ transport, variables: stack.variables, log, signal });
  return await attack(attacker, request, other.provider);
}

/** Two for each provider: one to its gateway, and one that both ends leave to the envelope service. */
async function sendPlain({ requests, plain }: DemonstrationOptions): Promise<Demonstration["plain"]> {
  const firsts = [...Map.groupBy(requests, ({ provider }) => provider).values()].flatMap(
    ([first]) => first ?? [],
  );
  const outcomes = await Promise.allSettled(
    firsts.flatMap((request) => [plain.askGateway(request), plain.askEachOther(request)]),
  );
  for (const outcome of outcomes) if (outcome.status === "rejected") tell("envelope service", outcome.reason);
  const answered = outcomes.filter(({ status }) => status === "fulfilled").length;
  return { sent: outcomes.length, answered };
}
