import { PROVIDER_APIS, type ProviderName, standInUrl, urlVariable } from "../providers.ts";
import type { Shape } from "../shapes/shape.ts";
import type { GatewayConfig } from "./config.ts";

/** Whom the gateway calls, and how. */
export interface Target {
  readonly provider: ProviderName;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** For people: the stand-in, or the host that is called. */
  readonly calls: string;
  /** Undefined: there is none, and the other side must not need one. */
  readonly key: string | undefined;
  /** The variables that may hold the key, for people. */
  readonly keyVariables: readonly string[];
  readonly shape: Shape;
  /** The header in which the other side takes an idempotency key; undefined: in none. */
  readonly idempotencyHeader?: string;
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

/** Whom a configuration has the gateway call: the URL that is set, else the real API if a key is, else the stand-in. */
export function targetOf(config: GatewayConfig): Target {
  const provider = config.SCBE_GATEWAY_PROVIDER;
  const { baseUrl: realUrl, keyVariables, shape } = PROVIDER_APIS[provider];
  const values: Readonly<Record<string, unknown>> = config;
  const key = keyVariables.map((name) => config[name]).find((value) => value !== undefined);
  const ownUrl = values[urlVariable(provider)] as string | undefined;
  const idempotencyHeader = config.SCBE_PROVIDER_IDEMPOTENCY_HEADER;
  const isStandIn = ownUrl === undefined && key === undefined;
  const chosen = ownUrl ?? (isStandIn ? standInUrl(config.SCBE_STAND_IN_URL, provider) : realUrl);
  return {
    provider,
    baseUrl: chosen.replace(/\/$/, ""),
    calls: isStandIn ? `the local stand-in: ${keyVariables.join(" or ")} is not set` : new URL(chosen).host,
    key,
    keyVariables,
    shape,
    ...(idempotencyHeader !== undefined && { idempotencyHeader }),
    timeoutMs: config.SCBE_PROVIDER_TIMEOUT_MS,
    answerBytesMax: config.SCBE_PROVIDER_ANSWER_BYTES_MAX,
  };
}
