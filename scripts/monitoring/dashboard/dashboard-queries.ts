import { THRESHOLDS, type Thresholds } from "../thresholds.ts";
import { dashboardRows } from "./dashboard-rows.ts";

/** A query as Grafana sends it. */
export interface DashboardQuery {
  /** The title of its panel. */
  readonly panel: string;
  /** PromQL without variables. */
  readonly expr: string;
  /** The part that brings these metrics; until it runs, the query returns nothing. */
  readonly awaits?: "trust-scorer";
}

/** Every query of the dashboard, with all providers chosen. They need the recordings of the same thresholds. */
export function dashboardQueries(thresholds: Thresholds = THRESHOLDS): readonly DashboardQuery[] {
  return dashboardRows(thresholds).flatMap(({ panels }) =>
    panels.flatMap(({ title, queries, awaits }) =>
      queries.map(({ expr }) => ({
        panel: title,
        expr: expr.replaceAll("$provider", ALL_PROVIDERS),
        ...(awaits !== undefined && { awaits }),
      })),
    ),
  );
}

/** What the variable stands for while all are chosen. */
export const ALL_PROVIDERS = ".+";
