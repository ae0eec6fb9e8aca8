import { OrchestratorHealth, showOrchestratorHealth } from "../domain/health.ts";
import { apiRoute } from "./api-route.ts";
import { healthFacts, inForce } from "./in-force.ts";

/** `GET /health/orchestrator` */
export const getOrchestratorHealth = apiRoute({
  method: "GET",
  path: "/health/orchestrator",
  summary: "What becomes of traffic now, and who has taken it in",
  access: "open",
  answer: OrchestratorHealth,
  refuses: [503],
  handle: (_call, ports) => showOrchestratorHealth(inForce(ports), healthFacts(ports)),
});
