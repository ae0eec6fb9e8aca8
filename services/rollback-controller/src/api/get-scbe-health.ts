import { ScbeHealth, showScbeHealth } from "../domain/health.ts";
import { apiRoute } from "./api-route.ts";
import { healthFacts, inForce } from "./in-force.ts";

/** `GET /health/scbe` */
export const getScbeHealth = apiRoute({
  method: "GET",
  path: "/health/scbe",
  summary: "Whether envelopes are verified, under which key, and how many verifiers hold what is in force",
  access: "open",
  answer: ScbeHealth,
  refuses: [503],
  handle: (_call, ports) => showScbeHealth(inForce(ports), healthFacts(ports)),
});
