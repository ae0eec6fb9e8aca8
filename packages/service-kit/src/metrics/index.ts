export * from "./clock-offset.ts";
export * from "./counter.ts";
export * from "./gauge.ts";
export * from "./histogram.ts";
export * from "./labels.ts";
export * from "./registry.ts";
export * from "./show-process.ts";
