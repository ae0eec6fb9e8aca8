import { chosenQuantile, chosenRate, type DashboardRow } from "./panel.ts";

/** Results of requests, and where they wait. */
export const REQUESTS: DashboardRow = {
  title: "Requests",
  panels: [
    {
      title: "Requests by result",
      says: "As callers see them. docs/request-path.md explains the codes.",
      unit: "reqps",
      queries: [{ expr: chosenRate("scbe_requests_total", "result", "2m"), legend: "{{result}}" }],
    },
    {
      title: "Requests that fail, share",
      says: "By provider. One provider: its gateways, or its API. All: the keyring, the guards or NATS.",
      unit: "percentunit",
      queries: [
        {
          expr: '1 - sum by (provider) (rate(scbe_requests_total{provider=~"$provider",result="ok"}[2m])) / sum by (provider) (rate(scbe_requests_total{provider=~"$provider"}[2m]))',
          legend: "{{provider}}",
        },
      ],
    },
    {
      title: "Time of a request",
      says: "Median and p99, the provider's own time included. The difference to the handler's time is SCBE and the bus.",
      unit: "ms",
      queries: [
        { expr: chosenQuantile(0.5, "scbe_request_ms", "provider", "5m"), legend: "p50 {{provider}}" },
        { expr: chosenQuantile(0.99, "scbe_request_ms", "provider", "5m"), legend: "p99 {{provider}}" },
      ],
    },
    {
      title: "Time of the handler, p99",
      says: "The call of the provider's API. Slow here: the provider is slow.",
      unit: "ms",
      queries: [
        {
          expr: chosenQuantile(0.99, "scbe_gateway_handler_ms", "provider, result", "5m"),
          legend: "{{provider}} {{result}}",
        },
      ],
    },
    {
      title: "Results of envelopes",
      says: "busy: more gateways are needed. silent: a gateway hangs, or is cut off. refused: Openings by result has the reason.",
      unit: "reqps",
      queries: [{ expr: chosenRate("scbe_request_envelopes_total", "landing", "2m"), legend: "{{landing}}" }],
    },
    {
      title: "In flight",
      says: "Requests that have not ended, at the caller and at the gateways. A line that only rises: something never ends.",
      unit: "short",
      queries: [
        { expr: "sum by (job) (scbe_requests_in_flight)", legend: "{{job}}" },
        {
          expr: 'sum by (provider) (scbe_gateway_calls_in_flight{provider=~"$provider"})',
          legend: "gateway {{provider}}",
        },
      ],
    },
    {
      title: "Endpoints",
      says: "Requests that an endpoint holds, and those that it rejected because it was full. Often busy: start another instance.",
      unit: "short",
      queries: [
        { expr: "sum by (job, endpoint) (scbe_endpoint_in_flight)", legend: "{{job}} {{endpoint}}" },
        {
          expr: "sum by (job, endpoint) (increase(scbe_endpoint_busy_total[5m]))",
          legend: "busy {{job}} {{endpoint}}",
        },
      ],
    },
    {
      title: "Verdict of the replay guard, p99",
      says: "From an opener's request to the verdict. Slow: look at the replay store and the guards' event loops.",
      unit: "ms",
      queries: [
        { expr: chosenQuantile(0.99, "scbe_admit_ms", "provider", "5m"), legend: "{{provider}}" },
        { expr: "sum by (job) (scbe_admits_waiting)", legend: "waiting {{job}}" },
      ],
    },
  ],
};
