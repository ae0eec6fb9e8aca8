import type { Client } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import { type SentRequest, sendRequests } from "@scbe/examples/send-requests";
import type { Logger } from "@scbe/runtime";
import { connectAttacker } from "./attacker.ts";
import { type AttackReport, attack } from "./attacks.ts";
import type { PlainPrograms } from "./plain-requests.ts";
import { type KillReport, showKill } from "./show-kill.ts";
import { showTrust, type TrustReport } from "./show-trust.ts";
import type { Stack } from "./stack.ts";
import { NOTHING_STANDS, type Standing } from "./standing.ts";
import { say, warn } from "./terminal.ts";

export interface DemonstrationOptions {
  readonly requests: readonly ExampleRequest[];
  readonly stack: Stack;
  readonly client: Client;
  readonly plain: PlainPrograms;
  readonly log: Logger;
  /** What is in force from an earlier run. */
  readonly standing: Standing;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** What the demonstration showed. */
export interface Demonstration {
  /** What was in force from an earlier run when it began. */
  readonly standing: Standing;
  /** Steps that were left out because of it, each with why. */
  readonly skipped: Readonly<Partial<Record<Step, string>>>;
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

export type Step = "attacks" | "plain" | "trust" | "kill";

export const NOTHING_SHOWN: Demonstration = {
  standing: NOTHING_STANDS,
  skipped: {},
  requests: [],
  attacks: [],
  plain: { sent: 0, answered: 0 },
  kill: null,
};

const REQUEST_TIMEOUT_MS = 60_000;
const REFUSED = ["SWITCHED_OFF", "DISTRUSTED"];

/** True when a request ended as it must: answered, or, as far as what stands takes its provider out, refused. */
export function isAsItStands(
  { effects }: Standing,
  { provider, verdict }: Pick<SentRequest, "provider" | "verdict">,
): boolean {
  const effect = effects[provider];
  if (verdict === "ok") return effect !== "refused";
  return effect !== undefined && REFUSED.includes(verdict);
}

/**
 * Sends the example requests through, then attacks, has plain programs send a few, turns a provider bad and good again, and at last switches
 * everything off and on again. Of what stands from an earlier run nothing is ended: providers that it takes out are left out, and so are
 * steps for which too few others remain.
 * @throws ScbeError and AbortError
 */
export async function demonstrate(options: DemonstrationOptions): Promise<Demonstration> {
  await options.stack.untilWatched();
  const { standing } = options;
  const skipped = stepsToSkip(options);
  const { sent, traceId } = await sendAll(options);
  options.signal.throwIfAborted();
  for (const [step, why] of Object.entries(skipped)) warn(`${step}: not shown, since ${why}`);
  const served = servedBy(options);
  if (skipped.attacks === undefined) say("attacking");
  const [attacks, plain] = await Promise.all([
    skipped.attacks === undefined ? attackAll({ ...options, requests: served }) : [],
    skipped.plain === undefined ? sendPlain({ ...options, requests: served }) : NOTHING_SHOWN.plain,
  ]);
  options.signal.throwIfAborted();
  const trust =
    skipped.trust === undefined ? await turnsBad({ ...options, requests: trusted(options) }) : undefined;
  const kill = skipped.kill === undefined ? await kills({ ...options, requests: served }) : null;
  return {
    ...{ standing, skipped, requests: sent, attacks, plain, kill },
    ...(trust !== undefined && { trust }),
    ...(traceId !== undefined && { traceId }),
  };
}

type Affected = Pick<DemonstrationOptions, "requests" | "standing">;

/** What what stands leaves too few providers for, and what would end what a person has ordered. */
export function stepsToSkip(options: Affected): Demonstration["skipped"] {
  const count = (requests: readonly ExampleRequest[]): number =>
    new Set(requests.map(({ provider }) => provider)).size;
  const [served, inTrust] = [count(servedBy(options)), count(trusted(options))];
  const isAffected = served < count(options.requests);
  const isAll = options.standing.entries.some(
    ({ kind, provider }) => kind === "kill" && provider === undefined,
  );
  const hasCanary = options.standing.entries.some(({ kind }) => kind === "canary");
  const out = "what stands leaves";
  return {
    ...(isAffected && served < 2 && { attacks: `${out} ${served} providers in the path, and they need two` }),
    ...(isAffected && served < 1 && { plain: `${out} no provider in the path` }),
    ...(inTrust < count(options.requests) &&
      inTrust < 2 && { trust: `${out} ${inTrust} providers of full trust in the path, and it needs two` }),
    ...(isAffected && served < 1 && { kill: `${out} no provider in the path` }),
    ...(hasCanary && { kill: "a canary is under way, and the kill of everything would abort it" }),
    ...(isAll && { kill: "the kill switch is engaged, and showing it would release it" }),
  };
}

/** Requests to providers that are served as ever. */
function servedBy({ requests, standing }: Affected): readonly ExampleRequest[] {
  return requests.filter(({ provider }) => standing.effects[provider] === undefined);
}

/** Those of them that are asked first, too. */
function trusted(options: Affected): readonly ExampleRequest[] {
  return servedBy(options).filter(({ provider }) => !options.standing.last.includes(provider));
}

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
  standing,
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
  const onProblem = (id: string, error: unknown): void => {
    const provider = requests.find((request) => request.id === id)?.provider ?? "";
    const code = isScbeError(error) ? error.code : "";
    if (!isAsItStands(standing, { provider, verdict: code })) tell(id, error);
  };
  const options = { timeoutMs: REQUEST_TIMEOUT_MS, signal, onProblem };
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
