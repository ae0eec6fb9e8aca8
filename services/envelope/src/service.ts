import { followReadiness, type Host } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";
import { counter } from "@scbe/runtime";
import { openVerifier } from "@scbe/verifier";
import type { EnvelopeConfig } from "./config.ts";
import { envelopeEndpoints } from "./endpoints.ts";

/**
 * The envelope service: a verifier with four endpoints. It is ready while it has keys and a replay epoch.
 * @throws ScbeError FORBIDDEN in prod on a connection without TLS, because bodies are in the clear between a caller and
 *   this service; BAD_REQUEST without an nkey
 */
export async function start(config: EnvelopeConfig, host: Host): Promise<AsyncDisposable> {
  const { bus, readiness, version } = host;
  if (config.SCBE_ENVIRONMENT === "prod" && !bus.encrypted) {
    throw new ScbeError(
      "FORBIDDEN",
      "in prod the envelope service needs TLS to NATS: set NATS_TLS_CA or a tls:// URL",
    );
  }
  const common = { providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS };
  const tokensJudged = counter(host.metrics, "scbe_opening_tokens_total", {
    provider: config.SCBE_PROVIDERS,
  });
  const perSecond = config.SCBE_ENVELOPE_USER_RATE;

  await using stack = new AsyncDisposableStack();
  const verifier = stack.use(openVerifier(host, config, { as: "envelope" }));
  const { sealer, openingTokens: tokens } = verifier;
  if (tokens === undefined) throw new ScbeError("INTERNAL", "the envelope service has no opening tokens");
  const endpoints = envelopeEndpoints({
    sealer,
    opener: verifier.opener(common),
    tokens,
    skewSeconds: () => verifier.skewSeconds,
    common,
    concurrency: config.SCBE_ENVELOPE_CONCURRENCY,
    userRate: { burst: perSecond, perSecond },
    judged: (provider, result) => tokensJudged.inc({ provider, result }),
    version,
  });
  const service = stack.use(bus.service(endpoints));
  stack.use(followReadiness(service, readiness));
  return stack.move();
}
