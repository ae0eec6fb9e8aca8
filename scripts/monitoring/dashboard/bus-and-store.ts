import { JOBS } from "../jobs.ts";
import type { DashboardRow, Panel } from "./panel.ts";

/** NATS, Redis and the processes themselves. */
export const BUS_AND_STORE: DashboardRow = {
  title: "NATS and Redis health",
  panels: [...bus(), ...store(), ...processes()],
};

function bus(): readonly Panel[] {
  return [
    {
      title: "Connected to NATS",
      says: "0: that instance has no connection. All at once: NATS, or the network. It comes back by itself.",
      unit: "bool_yes_no",
      queries: [{ expr: "scbe_nats_connected", legend: "{{job}} {{instance}}" }],
      limits: { redBelow: 1 },
    },
    {
      title: "Round trip to NATS",
      says: "Measured at each scrape. One instance: its network. All: the server.",
      unit: "ms",
      queries: [{ expr: "scbe_nats_rtt_ms", legend: "{{job}} {{instance}}" }],
    },
    {
      title: "Reconnects to NATS",
      says: "In fifteen minutes. Many: a server that restarts, or a client that is too slow.",
      unit: "short",
      queries: [{ expr: "sum by (job) (increase(scbe_nats_reconnects_total[15m]))", legend: "{{job}}" }],
    },
  ];
}

function store(): readonly Panel[] {
  return [
    {
      title: "Replay store, p99 of a call",
      says: "Redis as a guard sees it. Above some milliseconds: its CPU, a fork for a snapshot, or the network.",
      unit: "s",
      queries: [
        {
          expr: "histogram_quantile(0.99, sum by (le, call) (rate(scbe_replay_store_seconds_bucket[5m])))",
          legend: "{{call}}",
        },
      ],
    },
    {
      title: "Replay store, memory",
      says: "Used memory and the configured limit (0: none). Redis must never evict: at the limit it refuses writes, and the guards refuse requests. Raise the limit.",
      unit: "bytes",
      queries: [
        { expr: "max(scbe_replay_store_used_bytes)", legend: "used" },
        { expr: "max(scbe_replay_store_max_bytes)", legend: "limit" },
      ],
    },
    {
      title: "Replay store, envelopes remembered",
      says: "Follows the traffic of the last minutes. No line: no epoch, or the store is away.",
      unit: "short",
      queries: [
        { expr: "max by (provider) (scbe_replay_store_entries)", legend: "entries of {{provider}}" },
        { expr: "sum(scbe_replay_items_in_flight)", legend: "being judged" },
      ],
    },
    {
      title: "Replay epochs started",
      says: "In an hour, by cause. Each is a loss of data that Redis must keep, and costs each request in flight one fresh envelope.",
      unit: "short",
      queries: [{ expr: "sum by (why) (increase(scbe_replay_epochs_started_total[1h]))", legend: "{{why}}" }],
    },
    {
      title: "Verdicts a second",
      says: "refused: an epoch that is over, or a guard that cannot judge. reuse: see Nonce reuse at once.",
      unit: "ops",
      queries: [{ expr: "sum by (verdict) (rate(scbe_replay_admits_total[5m]))", legend: "{{verdict}}" }],
    },
  ];
}

function processes(): readonly Panel[] {
  return [
    {
      title: "Processes that answer",
      says: "0: that instance's metrics cannot be read, and its alerts cannot fire.",
      unit: "bool_yes_no",
      queries: [{ expr: `up{job=~"${JOBS.join("|")}"}`, legend: "{{job}} {{instance}}" }],
      limits: { redBelow: 1 },
    },
    {
      title: "Dependencies",
      says: "0: away; /readyz of that instance has the reason.",
      unit: "bool_yes_no",
      queries: [{ expr: "min by (job, dependency) (scbe_dependency_up)", legend: "{{job}} {{dependency}}" }],
      limits: { redBelow: 1 },
    },
    {
      title: "Event loop delay, p99",
      says: "A process without CPU is late with everything. Start another instance, or give it more CPU.",
      unit: "s",
      queries: [{ expr: "nodejs_eventloop_lag_p99_seconds", legend: "{{job}} {{instance}}" }],
      limits: { yellow: 0.1 },
    },
    {
      title: "Traces not accepted",
      says: "Batches of spans that the collector did not accept, in fifteen minutes. Requests do not wait for it; their traces are lost.",
      unit: "short",
      queries: [
        { expr: "sum by (job) (increase(scbe_trace_export_failures_total[15m]))", legend: "{{job}}" },
      ],
    },
  ];
}
