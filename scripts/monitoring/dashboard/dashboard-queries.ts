import { THRESHOLDS, type Thresholds } from "../thresholds.ts";
import { dashboardRows } from "./dashboard-rows.ts";

/** A query in the form that Grafana sends. */
export interface DashboardQuery {
  /** The title of its panel. */
  readonly panel: string;
  /** PromQL without variables. */
  readonly expr: string;
}

/** Every query of the dashboard, with all providers chosen. They need the recordings of the same thresholds. */
export function dashboardQueries(thresholds: Thresholds = THRESHOLDS): readonly DashboardQuery[] {
  return dashboardRows(thresholds).flatMap(({ panels }) =>
    panels.flatMap(({ title, queries }) =>
      queries.map(({ expr }) => ({ panel: title, expr: expr.replaceAll("$provider", ALL_PROVIDERS) })),
    ),
  );
}

/** The value of the variable when all are chosen. */
export const ALL_PROVIDERS = ".+";
