import { opsVariables } from "@scbe/bus";
import { clientConfig } from "@scbe/client";
import { type ConfigValues, choice, defineConfig, integer, text, url, type Variable } from "@scbe/runtime";
import type { Shape } from "../chat.ts";
import { PROVIDER_APIS, PROVIDER_NAMES, type ProviderName, standInUrl, urlVariable } from "../providers.ts";

/** Every variable of the example gateway. */
export const config = defineConfig({
  ...clientConfig.variables,
  ...opsVariables(0),
  SCBE_GATEWAY_PROVIDER: choice(PROVIDER_NAMES, {
    doc: "The provider that this gateway calls. It is `gateway-<provider>` on the bus.",
    check: (provider, values) =>
      (values.SCBE_PROVIDERS as readonly string[]).includes(provider)
        ? undefined
        : `${provider} is none of SCBE_PROVIDERS`,
  }),
  ...urlVariables(),
  ...keyVariables(),
  SCBE_STAND_IN_URL: url({
    default: "http://127.0.0.1:7190",
    schemes: ["http", "https"],
    doc: "The URL of the local stand-in, which the gateway calls if the provider has neither a key nor its own URL.",
  }),
  SCBE_PROVIDER_IDEMPOTENCY_HEADER: text({
    optional: true,
    pattern: /^[A-Za-z0-9-]{1,64}$/,
    expected: "the name of an HTTP header",
    doc: "The header in which the provider's API, or a proxy before it, takes an idempotency key, such as `Idempotency-Key`: it gets the request's id. Unset: none is sent, because none of the six APIs documents one.",
    check: (name) =>
      RESERVED_HEADERS.has(name.toLowerCase()) ? "is a header that the request has already" : undefined,
  }),
  SCBE_PROVIDER_TIMEOUT_MS: integer({
    default: 110_000,
    min: 100,
    max: 3_600_000,
    unit: "ms",
    doc: "Time limit of one answer of the provider; the caller's deadline can end it sooner.",
  }),
  SCBE_PROVIDER_ANSWER_BYTES_MAX: integer({
    default: 4_194_304,
    min: 1024,
    max: 67_108_864,
    unit: "bytes",
    doc: "The largest answer that is read from the provider.",
  }),
});

/** The gateway's configuration. */
export type GatewayConfig = ConfigValues<typeof config>;

const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "anthropic-version",
  "authorization",
  "connection",
  "content-length",
  "content-type",
  "host",
  "transfer-encoding",
  "x-api-key",
  "x-goog-api-key",
]);

type UrlVariableName = `SCBE_PROVIDER_URL_${Uppercase<ProviderName>}`;
export type KeyVariableName = (typeof PROVIDER_APIS)[ProviderName]["keyVariables"][number];

function urlVariables(): Record<UrlVariableName, Variable<string | undefined>> {
  const rows = PROVIDER_NAMES.map((provider) => [urlVariable(provider), urlFor(provider)]);
  return Object.fromEntries(rows) as Record<UrlVariableName, Variable<string | undefined>>;
}

function urlFor(provider: ProviderName): Variable<string | undefined> {
  const { baseUrl, keyVariables } = PROVIDER_APIS[provider];
  return url({
    optional: true,
    schemes: ["http", "https"],
    doc: `The base URL of ${provider}'s API. Unset: ${baseUrl} where a key is set, else the local stand-in.`,
    check: (value, values) => {
      const { protocol, hostname, username, password, search, hash } = new URL(value);
      if (username !== "" || password !== "" || search !== "" || hash !== "")
        return "holds more than scheme, host and path";
      const hasKey = keyVariables.some((name) => values[name] !== undefined);
      if (!hasKey || protocol === "https:" || LOOPBACK.has(hostname)) return undefined;
      return "would send the key in the clear; expected https";
    },
  });
}

const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "[::1]", "localhost"]);

function keyVariables(): Record<KeyVariableName, Variable<string | undefined>> {
  const rows = PROVIDER_NAMES.flatMap((provider) =>
    PROVIDER_APIS[provider].keyVariables.map((name) => [name, keyFor(provider)]),
  );
  return Object.fromEntries(rows) as Record<KeyVariableName, Variable<string | undefined>>;
}

function keyFor(provider: ProviderName): Variable<string | undefined> {
  return text({
    optional: true,
    secret: true,
    // Other characters are not valid in an HTTP header.
    pattern: /^[\x21-\x7e]{1,1024}$/,
    expected: "1 to 1024 printable ASCII characters without a space",
    doc: `The key of ${provider}'s API; with it the real API is called.`,
  });
}

/** The API that the gateway calls. */
export interface Target {
  readonly provider: ProviderName;
  /** Without a trailing slash. */
  readonly baseUrl: string;
  /** For the log: the stand-in, or the host. */
  readonly calls: string;
  /** Undefined: there is none, and the server must not need one. */
  readonly key: string | undefined;
  /** The variables that can hold the key, for error messages. */
  readonly keyVariables: readonly string[];
  readonly shape: Shape;
  /** The header in which the server takes an idempotency key; undefined: none. */
  readonly idempotencyHeader?: string;
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

/** The target of a configuration: the URL if it is set, else the real API if a key is set, else the stand-in. */
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
