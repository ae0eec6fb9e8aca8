import { z } from "zod";
import { ErrorRate, errorRate } from "../domain/error-rate.ts";
import { METRICS_WINDOW, REQUEST_METRICS } from "../domain/metric-queries.ts";
import { apiRoute } from "./api-route.ts";
import { askPrometheus, prometheusAway } from "./ask-prometheus.ts";
import { sharedAnswer } from "./shared-answer.ts";

const load = sharedAnswer(async (ports) => {
  const { values, unavailable } = await askPrometheus(ports, REQUEST_METRICS);
  const { requests, failed, switchedOff } = values;
  if (!requests || !failed || !switchedOff) throw prometheusAway(unavailable);
  const at = new Date(ports.clock.now()).toISOString();
  return { at, window: METRICS_WINDOW, ...errorRate(requests, failed, switchedOff) };
});

/** `GET /api/metrics/error-rate` */
export const getErrorRate = apiRoute({
  method: "GET",
  path: "/api/metrics/error-rate",
  summary: "How much of the orchestrators' requests failed, from Prometheus",
  access: "open",
  answer: z
    .object({ at: z.iso.datetime(), window: z.string(), ...ErrorRate.shape })
    .meta({ id: "ErrorRate" }),
  refuses: [503],
  handle: (_call, ports) => load(ports),
});
