export * from "./backoff.ts";
export * from "./clock.ts";
export * from "./config/markdown.ts";
export * from "./config/read-config.ts";
export * from "./config/variables.ts";
export * from "./follow-file.ts";
export * from "./limits.ts";
export * from "./listeners.ts";
export * from "./lock-file.mjs";
export * from "./logger.ts";
export * from "./metrics.ts";
export * from "./own-folder.ts";
export * from "./readiness.ts";
export * from "./reconcile-loop.ts";
export * from "./slots.ts";
export {
  type LabelsOf,
  type MetricsRegistry,
  type NameOf,
  PROMETHEUS_CONTENT_TYPE,
  type SetsArgument,
  type SetsOf,
  UnservedRegistry,
} from "./table-metric.ts";
