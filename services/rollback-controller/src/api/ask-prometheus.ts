import { ScbeError } from "@scbe/contracts";
import type { ByProvider } from "../domain/error-rate.ts";
import type { ApiPorts } from "./api-ports.ts";

/** Below the patience of whoever asks over HTTP. */
const TIMEOUT_MS = 2000;

/** Each expression's values by provider, or why there are none. @throws ScbeError NOT_READY where no Prometheus is named */
export async function askPrometheus(
  { prometheus }: Pick<ApiPorts, "prometheus">,
  exprs: Readonly<Record<string, string>>,
): Promise<{ readonly values: Record<string, ByProvider>; readonly unavailable: Record<string, string> }> {
  if (prometheus === undefined)
    throw new ScbeError(
      "NOT_READY",
      "PROMETHEUS_URL is not set at this controller, so there are no metrics to show",
    );
  const values: Record<string, ByProvider> = {};
  const unavailable: Record<string, string> = {};
  const asked = Object.entries(exprs).map(async ([name, expr]) => {
    const result = await prometheus.query(expr, { timeoutMs: TIMEOUT_MS });
    if (!result.ok) unavailable[name] = result.reason;
    else
      values[name] = Object.fromEntries(
        result.samples.map(({ labels, value }) => [
          labels.provider ?? "all",
          Number.isFinite(value) ? value : null,
        ]),
      );
  });
  await Promise.all(asked);
  return { values, unavailable };
}

/** 503, since nothing can be shown; the reason is Prometheus's own, or that of the way to it. */
export function prometheusAway(unavailable: Readonly<Record<string, string>>): ScbeError {
  const reason = Object.values(unavailable)[0] ?? "no answer";
  return new ScbeError("NOT_READY", `Prometheus does not answer: ${reason}`);
}
