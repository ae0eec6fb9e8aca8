import type { Client } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import { type SentRequest, sendRequests } from "@scbe/examples/send-requests";
import { say, warn } from "@scbe/local-stack";
import type { Stack } from "@scbe/local-stack/stack";
import type { Logger } from "@scbe/runtime";
import { type AttackReport, attack, connectAttacker } from "./attacks.ts";
import { type CarriedState, NOTHING_CARRIED } from "./carried-state.ts";
import { type KillReport, showKill } from "./kill-demonstration.ts";
import type { PlainPrograms } from "./plain-programs.ts";
import { showTrust, type TrustReport } from "./trust-demonstration.ts";

export interface DemonstrationOptions {
  readonly requests: readonly ExampleRequest[];
  readonly stack: Stack;
  readonly client: Client;
  readonly plain: PlainPrograms;
  readonly log: Logger;
  /** What an earlier run has left in force. */
  readonly carried: CarriedState;
  readonly signal: AbortSignal;
}

/** The results of the demonstration. */
export interface Demonstration {
  /** What an earlier run had left in force when it began. */
  readonly carried: CarriedState;
  /** Steps that were left out because of that, each with a reason. */
  readonly skipped: Readonly<Partial<Record<Step, string>>>;
  readonly requests: readonly SentRequest[];
  readonly attacks: readonly AttackReport[];
  /** Requests of plain programs through the envelope service. */
  readonly plain: { readonly sent: number; readonly answered: number };
  /** Null if the kill was not shown. */
  readonly kill: KillReport | null;
  /** Null if it could not be shown; absent if it was left out, or the stand-in answers for fewer than two providers. */
  readonly trust?: TrustReport | null;
  /** Of the first request; absent without traces. */
  readonly traceId?: string;
}

export type Step = "attacks" | "plain" | "trust" | "kill";

export const NOTHING_SHOWN: Demonstration = {
  carried: NOTHING_CARRIED,
  skipped: {},
  requests: [],
  attacks: [],
  plain: { sent: 0, answered: 0 },
  kill: null,
};

const REQUEST_TIMEOUT_MS = 60_000;
const REFUSED = ["SWITCHED_OFF", "DISTRUSTED"];

/** True when a request was answered, or was refused because of what an earlier run has left in force. */
export function isExpected(
  { effects }: CarriedState,
  { provider, verdict }: Pick<SentRequest, "provider" | "verdict">,
): boolean {
  const effect = effects[provider];
  if (verdict === "ok") return effect !== "refused";
  return effect !== undefined && REFUSED.includes(verdict);
}

/**
 * Sends the example requests, attacks, sends requests of plain programs, makes a provider fail and recover, and switches everything off
 * and on again. It changes nothing that an earlier run has left in force: it leaves out the providers that are affected, and the steps
 * for which too few others are left.
 * @throws ScbeError; AbortError
 */
export async function demonstrate(options: DemonstrationOptions): Promise<Demonstration> {
  await options.stack.untilWatched();
  const { carried } = options;
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
    skipped.trust === undefined
      ? await demonstrateTrust({ ...options, requests: trusted(options) })
      : undefined;
  const kill = skipped.kill === undefined ? await demonstrateKill({ ...options, requests: served }) : null;
  return {
    ...{ carried, skipped, requests: sent, attacks, plain, kill },
    ...(trust !== undefined && { trust }),
    ...(traceId !== undefined && { traceId }),
  };
}

type Affected = Pick<DemonstrationOptions, "requests" | "carried">;

/** Steps for which too few providers are left, and steps that would end what a person has ordered. */
export function stepsToSkip(options: Affected): Demonstration["skipped"] {
  const count = (requests: readonly ExampleRequest[]): number =>
    new Set(requests.map(({ provider }) => provider)).size;
  const [served, inTrust] = [count(servedBy(options)), count(trusted(options))];
  const isAffected = served < count(options.requests);
  const isAll = options.carried.entries.some(
    ({ kind, provider }) => kind === "kill" && provider === undefined,
  );
  const hasCanary = options.carried.entries.some(({ kind }) => kind === "canary");
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

/** Requests to providers without any effect. */
function servedBy({ requests, carried }: Affected): readonly ExampleRequest[] {
  return requests.filter(({ provider }) => carried.effects[provider] === undefined);
}

/** Those of them to providers of full trust. */
function trusted(options: Affected): readonly ExampleRequest[] {
  return servedBy(options).filter(({ provider }) => !options.carried.last.includes(provider));
}

async function demonstrateTrust(options: DemonstrationOptions): Promise<TrustReport | null | undefined> {
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
    report("trust", error);
    return null;
  }
}

/** Such a body can go to another provider unchanged. */
function isJson({ contentType }: ExampleRequest): boolean {
  return contentType === "application/json";
}

async function demonstrateKill({
  stack,
  client,
  requests,
  signal,
}: DemonstrationOptions): Promise<KillReport | null> {
  say("switching everything off, and on again");
  try {
    return await showKill({ control: stack.control, client, requests, signal });
  } catch (error) {
    signal.throwIfAborted();
    report("kill switch", error);
    return null;
  }
}

async function sendAll({
  requests,
  client,
  carried,
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
    if (!isExpected(carried, { provider, verdict: code })) report(id, error);
  };
  const options = { timeoutMs: REQUEST_TIMEOUT_MS, signal, onProblem };
  for await (const one of sendRequests(traced, requests, options)) {
    sent.push(one);
    if (sent.length === 1)
      say(`the first answer is here ${(performance.now() / 1000).toFixed(1)} s after the start`);
  }
  return { sent, traceId };
}

function report(id: string, error: unknown): void {
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

/** Two for each provider: one to its real gateway, and one between two plain programs. */
async function sendPlain({ requests, plain }: DemonstrationOptions): Promise<Demonstration["plain"]> {
  const firsts = [...Map.groupBy(requests, ({ provider }) => provider).values()].flatMap(
    ([first]) => first ?? [],
  );
  const outcomes = await Promise.allSettled(
    firsts.flatMap((request) => [plain.askGateway(request), plain.askEachOther(request)]),
  );
  for (const outcome of outcomes)
    if (outcome.status === "rejected") report("envelope service", outcome.reason);
  const answered = outcomes.filter(({ status }) => status === "fulfilled").length;
  return { sent: outcomes.length, answered };
}
