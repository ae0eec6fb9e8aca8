import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import { say, warn } from "@scbe/local-stack";
import type { PlainPrograms } from "./plain-programs.ts";

export interface TrafficOptions {
  readonly client: Pick<Client, "request">;
  readonly plain: PlainPrograms;
  /** Sent in turn, with a round robin over the providers. */
  readonly requests: readonly ExampleRequest[];
  /** Ends the traffic. */
  readonly signal: AbortSignal;
  /** From the start of one request to the start of the next; default 1,000. */
  readonly everyMs?: number;
}

const EVERY_MS = 1000;
const REQUEST_TIMEOUT_MS = 20_000;

/**
 * Sends about one request a second, one at a time: to each provider in turn, and in turn by the client, through the envelope service, and
 * between plain programs. The first failure of a provider is reported once, and so is its recovery. Resolves when `signal` aborts.
 */
export async function keepTraffic(options: TrafficOptions): Promise<void> {
  const { requests, signal, everyMs = EVERY_MS } = options;
  const providers = [...Map.groupBy(requests, ({ provider }) => provider).values()];
  const failing = new Set<string>();
  for (let turn = 0; !signal.aborted; turn += 1) {
    const started = performance.now();
    const request = requestOf(turn, providers);
    const provider = request?.provider ?? "";
    try {
      if (request !== undefined) await send(turn, providers.length, request, options);
      if (failing.delete(provider)) say(`example requests to ${provider} are answered again`);
    } catch (error) {
      if (!failing.has(provider) && !signal.aborted) {
        warn(`example requests to ${provider} fail: ${textOf(error)}`);
      }
      failing.add(provider);
    }
    const left = Math.max(0, everyMs - (performance.now() - started));
    await delay(left, undefined, { signal }).catch(() => undefined);
  }
}

/** Each provider in turn; after each round the next request of each. */
function requestOf(
  turn: number,
  providers: readonly (readonly ExampleRequest[])[],
): ExampleRequest | undefined {
  const ofProvider = providers[turn % providers.length] ?? [];
  return ofProvider[Math.floor(turn / providers.length) % ofProvider.length];
}

/** After each round, each provider gets its request by the next route. */
async function send(
  turn: number,
  providers: number,
  request: ExampleRequest,
  { client, plain, signal }: TrafficOptions,
): Promise<void> {
  const routes = [
    () => client.request({ ...request, timeoutMs: REQUEST_TIMEOUT_MS, signal }),
    () => plain.askGateway(request),
    () => plain.askEachOther(request),
  ];
  await routes[((turn % providers) + Math.floor(turn / providers)) % routes.length]?.();
}

function textOf(error: unknown): string {
  const code = isScbeError(error) ? `${error.code}: ` : "";
  return `${code}${error instanceof Error ? error.message : String(error)}`;
}
