/** One series in promtool's notation: a sample for each scrape. */
export interface CaseSeries {
  readonly series: string;
  readonly values: string;
}

/** Data, and the expected alert. */
export interface AlertCase {
  readonly alert: string;
  /** Empty: nothing was ever scraped. */
  readonly series: readonly CaseSeries[];
  /** The length of the data. */
  readonly minutes: number;
  readonly fires: Firing | "never";
  /** The runbook's own rule is wrong, on the same data or on these series. */
  readonly runbookIsWrong?: true | readonly CaseSeries[];
}

/** At the end of the time, the alert has fired for exactly these labels. */
export interface Firing {
  /** All labels that the alert takes from its data. */
  readonly labels: Readonly<Record<string, string>>;
  /** Other alerts of the same cause. */
  readonly also?: readonly Readonly<Record<string, string>>[];
  /** Minutes from the start in which it must not fire yet. */
  readonly notBefore?: number;
  /** The description at the end of the time; the alert still fires then. */
  readonly says?: string;
}

/** By their guarantees. */
export type AlertCases = Readonly<Record<string, AlertCase>>;
