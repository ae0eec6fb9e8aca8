import { opsVariables } from "@scbe/bus";
import { clientConfig } from "@scbe/client";
import { type ConfigValues, choice, defineConfig, integer, text, url, type Variable } from "@scbe/runtime";
import { PROVIDER_APIS, PROVIDER_NAMES, type ProviderName, urlVariable } from "../providers.ts";

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
    doc: "Where the local stand-in is, which is called for a provider that has neither a key nor a URL of its own.",
  }),
  SCBE_PROVIDER_IDEMPOTENCY_HEADER: text({
    optional: true,
    pattern: /^[A-Za-z0-9-]{1,64}$/,
    expected: "the name of an HTTP header",
    doc: "The header in which the provider's API, or a proxy before it, takes an idempotency key, as `Idempotency-Key`: it gets the request's id. Unset: none is sent, since none of the six APIs documents one.",
    check: (name) =>
      RESERVED_HEADERS.has(name.toLowerCase()) ? "is a header that the request has already" : undefined,
  }),
  SCBE_PROVIDER_TIMEOUT_MS: integer({
    default: 110_000,
    min: 100,
    max: 3_600_000,
    unit: "ms",
    doc: "How long the provider may take for one answer; the caller's own deadline ends it sooner.",
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
    // Anything else could not stand in an HTTP header.
    pattern: /^[\x21-\x7e]{1,1024}$/,
    expected: "1 to 1024 printable ASCII characters without a space",
    doc: `The key of ${provider}'s API; with it the real API is called.`,
  });
}
