import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { dashboardQueries } from "#monitoring/dashboard/dashboard-queries.ts";
import { dashboardRows } from "#monitoring/dashboard/dashboard-rows.ts";
import { renderDashboard } from "#monitoring/render-dashboard.ts";
import { renderDashboardProvider, renderDatasources } from "#monitoring/render-grafana-provisioning.ts";
import { THRESHOLDS } from "#monitoring/thresholds.ts";
import { RUNBOOK_QUERIES } from "./runbook-queries.ts";

interface GrafanaPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}
const dashboard = JSON.parse(renderDashboard()) as { uid: string; panels: readonly GrafanaPanel[] };
const panels = dashboard.panels.filter(({ type }) => type !== "row");

describe("the dashboard", () => {
  it("has the runbook's address", () => {
    expect(dashboard.uid).toBe("scbe-security");
  });

  it("has every query of the runbook, verbatim", () => {
    const all = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(RUNBOOK_QUERIES.filter((query) => !all.includes(query))).toEqual([]);
  });

  it("has a row for each section of the runbook, and for the infrastructure", () => {
    expect(dashboardRows(THRESHOLDS).map(({ title }) => title)).toEqual([
      "Envelope performance",
      "Crypto health",
      "SCBE signals",
      "Trust",
      "Requests",
      "Control plane",
      "NATS and Redis health",
      "Keys and KMS",
    ]);
  });

  it("has advice for every panel", () => {
    expect(panels.length).toBeGreaterThan(30);
    expect(panels.filter(({ description = "" }) => description.length < 40)).toEqual([]);
  });

  it("has panels that do not overlap, each with its own id and title", () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });

  it("lists its queries with all variables replaced", () => {
    const queries = dashboardQueries();
    const targets = panels.flatMap(({ targets = [] }) => targets);
    expect(queries).toHaveLength(targets.length);
    expect(queries.filter(({ expr }) => expr.includes("$"))).toEqual([]);
  });
});

describe("Grafana's provisioning", () => {
  const options = { prometheusUrl: "http://p:9090", jaegerUrl: "http://j:16686", dashboardsPath: "/d" };

  it("has Prometheus as the default, and Jaeger", () => {
    expect(parse(renderDatasources(options))).toMatchObject({
      datasources: [
        { type: "prometheus", url: "http://p:9090", isDefault: true },
        { type: "jaeger", url: "http://j:16686" },
      ],
    });
  });

  it("reads dashboards from the given folder, and does not allow changes in Grafana", () => {
    expect(parse(renderDashboardProvider(options))).toMatchObject({
      providers: [{ type: "file", allowUiUpdates: false, options: { path: "/d" } }],
    });
  });
});
