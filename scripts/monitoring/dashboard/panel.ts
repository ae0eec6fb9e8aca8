/** A row of the dashboard, open at first. */
export interface DashboardRow {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly title: string;
  /** Its meaning, and what to do when it looks wrong. */
  readonly says: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Lines over the graph. */
  readonly limits?: PanelLimits;
  /** Big numbers instead of lines: the current value. */
  readonly now?: true;
}

export interface Query {
  /** PromQL; `$provider` is the dashboard's variable. */
  readonly expr: string;
  /** Grafana's legend: text with `{{label}}`. */
  readonly legend: string;
}

/** Grafana's ids of units. */
export type Unit =
  | "ms"
  | "s"
  | "bytes"
  | "percentunit"
  | "reqps"
  | "ops"
  | "short"
  | "none"
  | "bool_yes_no"
  | "bool_on_off"
  | "dateTimeAsIso";

export interface PanelLimits {
  /** Worth a look from here on. */
  readonly yellow?: number;
  /** An alert from here on. */
  readonly red?: number;
  /** An alert below this, in place of the others. */
  readonly redBelow?: number;
}

/** Matches the providers that are chosen at the top of the dashboard. */
export const CHOSEN = 'provider=~"$provider"';

/** A quantile over all instances, of the providers that are chosen. */
export function chosenQuantile(share: number, histogram: string, by: string, window: string): string {
  return `histogram_quantile(${share}, sum by (le, ${by}) (rate(${histogram}_bucket{${CHOSEN}}[${window}])))`;
}

/** A rate over all instances, of the providers that are chosen. */
export function chosenRate(metric: string, by: string, window: string): string {
  return `sum by (${by}) (rate(${metric}{${CHOSEN}}[${window}]))`;
}
