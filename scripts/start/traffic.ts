import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import type { PlainPrograms } from "./plain-requests.ts";
import { say, warn } from "./terminal.ts";

export interface TrafficOptions {
  readonly client: Pick<Client, "request">;
  readonly plain: PlainPrograms;
  /** Sent in turn; those of one provider one after the other. */
  readonly requests: readonly ExampleRequest[];
  /** Ends it. */
  readonly signal: AbortSignal;
  /** From the beginning of one to that of the next; default 1,000. */
  readonly everyMs?: number;
}

const EVERY_MS = 1000;
const REQUEST_TIMEOUT_MS = 20_000;

/**
 * Goes on sending about one request a second, to one provider after the other, through the client, through the envelope
 * service, and between plain programs in turn. Never two at once. That those to a provider begin to fail is said once, and that they are
 * answered again. Resolves when `signal` aborts.
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

/** One provider after the other; when all had their turn, each gets the next request. */
function requestOf(
  turn: number,
  providers: readonly (readonly ExampleRequest[])[],
): ExampleRequest | undefined {
  const ofProvider = providers[turn % providers.length] ?? [];
  return ofProvider[Math.floor(turn / providers.length) % ofProvider.length];
}

/** When all had their turn, each provider gets the next way. */
async function send(
  turn: number,
  providers: number,
  request: ExampleRequest,
  { client, plain, signal }: TrafficOptions,
): Promise<void> {
  const ways = [
    () => client.request({ ...request, timeoutMs: REQUEST_TIMEOUT_MS, signal }),
    () => plain.askGateway(request),
    () => plain.askEachOther(request),
  ];
  await ways[((turn % providers) + Math.floor(turn / providers)) % ways.length]?.();
}

function textOf(error: unknown): string {
  const code = isScbeError(error) ? `${error.code}: ` : "";
  return `${code}${error instanceof Error ? error.message : String(error)}`;
}
