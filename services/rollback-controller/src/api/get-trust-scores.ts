import { showTrustScores, TrustScores } from "../domain/show-trust.ts";
import { apiRoute } from "./api-route.ts";
import { trustOf } from "./trust-of.ts";

/** `GET /metrics/scbe/trust-scores` */
export const getTrustScores = apiRoute({
  method: "GET",
  path: "/metrics/scbe/trust-scores",
  summary: "How far each provider is trusted, what keeps it down and until when",
  description:
    "Without a trust scorer every provider is at what was last known of it, or at 1; `note` says so.",
  access: "open",
  answer: TrustScores,
  isThere: ({ trust }) => trust !== undefined,
  handle: (_call, ports) =>
    showTrustScores(trustOf(ports), { providers: ports.providers, now: ports.clock.now() }),
});
