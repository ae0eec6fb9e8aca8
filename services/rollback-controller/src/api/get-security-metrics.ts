import { z } from "zod";
import { METRICS_WINDOW, SECURITY_METRICS } from "../domain/metric-queries.ts";
import { apiRoute } from "./api-route.ts";
import { askPrometheus, prometheusAway } from "./ask-prometheus.ts";
import { sharedAnswer } from "./shared-answer.ts";

const EXPRS = Object.fromEntries(SECURITY_METRICS.map(({ name, expr }) => [name, expr]));

const load = sharedAnswer(async (ports) => {
  const { values, unavailable } = await askPrometheus(ports, EXPRS);
  if (Object.keys(values).length === 0) throw prometheusAway(unavailable);
  const at = new Date(ports.clock.now()).toISOString();
  // In the table's own order, whichever answer came first.
  const metrics = Object.fromEntries(
    SECURITY_METRICS.flatMap(({ name }) => (values[name] ? [[name, values[name]]] : [])),
  );
  return { at, window: METRICS_WINDOW, metrics, unavailable };
});

/** `GET /api/dashboards/scbe-security/metrics` */
export const getSecurityMetrics = apiRoute({
  method: "GET",
  path: "/api/dashboards/scbe-security/metrics",
  summary: "The dashboard's figures by provider, from Prometheus",
  access: "open",
  answer: z
    .object({
      at: z.iso.datetime(),
      window: z.string(),
      metrics: z.record(z.string(), z.record(z.string(), z.number().nullable())),
      unavailable: z.record(z.string(), z.string()).describe("What Prometheus did not answer, and why"),
    })
    .meta({ id: "SecurityMetrics" }),
  refuses: [503],
  handle: (_call, ports) => load(ports),
});
