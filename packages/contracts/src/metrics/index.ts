export * from "./label-sets.ts";
export * from "./metric-row.ts";
export * from "./table.ts";
