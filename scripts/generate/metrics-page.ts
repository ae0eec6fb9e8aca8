import {
  METRICS,
  type MetricName,
  type MetricRow,
  metricsOf,
  PHASES_OF,
  PROCESS_KINDS,
  type ProcessKind,
  RUN_TIME_SETS,
  type RunTimeSet,
} from "@scbe/contracts";
import { table } from "./markdown-table.ts";

/** docs/metrics.md: the table of metrics. */
export function metricsPage(): string {
  const every = metricsOf("keyring").filter((name) => PROCESS_KINDS.every((kind) => isOf(name, kind)));
  const sections = PROCESS_KINDS.map((kind) => {
    const own = metricsOf(kind).filter((name) => !every.includes(name));
    return `## ${kind}\n\n${INTRODUCTIONS[kind]}\n\n${rows(own, kind)}`;
  });
  return [HEAD, `## Every process\n\n${rows(every)}`, ...sections, labelValues(), bounds(), NODE].join("\n");
}

const HEAD = `<!-- Generated from the table of metrics (packages/contracts/src/metrics) by \`npm run generate\`. -->
# Metrics

Every process serves its metrics on its ops port under \`/metrics\`; a program with a client passes a registry of prom-client to
\`connect({ metrics })\` and serves that. A process can create only metrics of the code's one table. Every label has a
closed set of values, and every label set exists from the process's start, counters and histograms at 0: a series that starts at 1 has no increase for
an alert to see. An unknown value, such as the time of an answer that does not come, is absent rather than a number.

Only Prometheus's classic text format is served (\`text/plain; version=0.0.4\`), and a registry that serves OpenMetrics is refused.
OpenMetrics ends the name of every counter in \`_total\`; \`scbe_nonce_reuse_count\`, \`scbe_replay_rejects_count\` and
\`scbe_fail_to_noise_count\` are counters, and would have other names there than in dashboards and alerts.

\`scbe_envelope_verify_ms\` and \`scbe_phase_skew_ms\` observe only what verified and came once, and never the wait before noise: a process that cannot seal cannot
move them.
`;

const INTRODUCTIONS: Readonly<Record<ProcessKind, string>> = {
  orchestrator: "A client that sends requests: it seals requests and opens responses.",
  gateway: "A client that serves a provider: it opens requests and seals responses.",
  envelope: "The envelope service seals and opens both.",
  "replay-guard": "What was seen before, and the replay epoch.",
  keyring: "Data keys, KMS, and subkeys granted.",
  "rollback-controller":
    "The control document and the verifiers that apply it, kills and their causes, canaries, audit and notices.",
  "trust-scorer": "Trust in each provider, and the stream of outcomes that it is computed from.",
};

function isOf(name: MetricName, kind: ProcessKind): boolean {
  return rowOf(name).of.includes(kind);
}

function rowOf(name: MetricName): MetricRow {
  return METRICS[name];
}

function rows(names: readonly MetricName[], kind?: ProcessKind): string {
  return table(
    ["metric", "kind", "labels", "unit", "says"],
    names.map((name) => {
      const row = rowOf(name);
      return [`\`${name}\``, row.kind, labelsOf(name, kind), UNITS[row.unit], row.help];
    }),
  );
}

const UNITS: Readonly<Record<MetricRow["unit"], string>> = {
  ms: "ms",
  s: "s",
  bytes: "bytes",
  ratio: "0 to 1",
  count: "",
  flag: "0 or 1",
  number: "",
};

/** Longer lists have a section of their own. */
const VALUES_MAX = 7;

function labelsOf(name: MetricName, kind: ProcessKind | undefined): string {
  return Object.entries(rowOf(name).labels)
    .map(([label, values]) => {
      if (typeof values === "string") return `\`${label}\``;
      const own = label === "phase" ? phasesOf(name, kind) : values;
      return own.length > VALUES_MAX ? `\`${label}\`` : `\`${label}\`: ${own.join(", ")}`;
    })
    .join("; ");
}

/** The phases that the process seals or opens, as the metric counts the one or the other. */
function phasesOf(name: MetricName, kind: ProcessKind | undefined): readonly string[] {
  if (kind === undefined || !Object.hasOwn(PHASES_OF, kind)) return [];
  const { seals, opens } = PHASES_OF[kind as keyof typeof PHASES_OF];
  return /_(create|session|sessions|sealed)_/.test(name) ? seals : opens;
}

function labelValues(): string {
  const sets = Object.entries(RUN_TIME_SETS) as [RunTimeSet, string][];
  const all = Object.entries(METRICS) as [MetricName, MetricRow][];
  const lines = sets.map(([set, is]) => {
    const [label] = all.flatMap(([, { labels }]) =>
      Object.keys(labels).filter((name) => labels[name] === set),
    );
    return [`\`${label}\``, is];
  });
  const long = all.flatMap(([name, { labels }]) =>
    Object.entries(labels)
      .filter(([, values]) => typeof values !== "string" && values.length > VALUES_MAX)
      .map(([label, values]) => [`\`${label}\` of \`${name}\``, (values as readonly string[]).join(", ")]),
  );
  return `## Values of labels\n\n${table(["label", "has"], [...lines, ...long])}`;
}

function bounds(): string {
  const histograms = (Object.entries(METRICS) as [MetricName, MetricRow][]).filter(
    ([, row]) => row.bounds !== undefined,
  );
  const lines = histograms.map(([name, row]) => [
    `\`${name}\``,
    `${(row.bounds ?? []).join(", ")} ${UNITS[row.unit]}`,
  ]);
  return `## Bounds of histograms

A quantile can never exceed the highest bound, so the highest bounds are well above the limits of alerts, and each limit is a bound itself.

${table(["histogram", "bounds"], lines)}`;
}

const NODE = `## Of Node itself

Services and the example programs also show the default metrics of prom-client, without the prefix \`scbe_\`: memory, processor time, open
files, garbage collection, the delay of the event loop (\`nodejs_eventloop_lag_p99_seconds\`), when the process started
(\`process_start_time_seconds\`). In a program of your own that is for you to choose: \`collectDefaultMetrics({ register })\`.
`;
