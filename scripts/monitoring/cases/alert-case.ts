/** One series as promtool reads it: a sample for each scrape, in its own notation. */
export interface CaseSeries {
  readonly series: string;
  readonly values: string;
}

/** Data, and what the alert must make of it. */
export interface AlertCase {
  readonly alert: string;
  /** None: nothing was ever scraped. */
  readonly series: readonly CaseSeries[];
  /** How much of the data is looked at. */
  readonly minutes: number;
  readonly fires: Firing | "never";
  /** The runbook's own rule gets it wrong: on the same data, or on these series of the way it was meant. */
  readonly runbookIsWrong?: true | readonly CaseSeries[];
}

/** At the end of the time the alert has fired for exactly this one. */
export interface Firing {
  /** The labels that the alert takes from its data, all of them. */
  readonly labels: Readonly<Record<string, string>>;
  /** Others that fire for the same cause. */
  readonly also?: readonly Readonly<Record<string, string>>[];
  /** Minutes from the start in which it must not fire yet. */
  readonly notBefore?: number;
  /** The description, as it is sent at the end of the time. Then the alert still fires. */
  readonly says?: string;
}

/** Named by what they guarantee. */
export type AlertCases = Readonly<Record<string, AlertCase>>;
