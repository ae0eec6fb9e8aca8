import { HEADERS } from "@scbe/contracts";
import { eventually, requireTool } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dashboardQueries } from "#monitoring/dashboard/dashboard-queries.ts";
import { THRESHOLDS, type Thresholds } from "#monitoring/thresholds.ts";
import { connectServiceCaller } from "../kit/raw-clients.ts";
import { startSystem } from "../kit/system.ts";
import { keepDoing } from "../kit/traffic.ts";
import { watchedGateway, watchedOrchestrator } from "./alert-stage.ts";
import { scrapeJobsOf, startWatch, type Watch } from "./watch.ts";

const missing = (["prometheus", "alertmanager"] as const).filter((name) => !requireTool(name).ok);

/** Dashboard, recordings and windows are those of a deployment; only the scrapes are more frequent. */
const thresholds: Thresholds = {
  limits: THRESHOLDS.limits,
  durations: { ...THRESHOLDS.durations, scrapeIntervalMs: 500, evaluationIntervalMs: 500 },
};
const QUERIES = dashboardQueries(thresholds);
const PROVIDERS = ["openai", "anthropic"];
const BODY = Buffer.from("Hello");

describe.skipIf(missing.length > 0)("the dashboard of a running SCBE with traffic", () => {
  const stack = new AsyncDisposableStack();
  let watch: Watch;

  beforeAll(async () => {
    const use = async <T extends AsyncDisposable>(one: Promise<T>): Promise<T> => stack.use(await one);
    const system = await use(
      startSystem({
        ...{ providers: PROVIDERS, controller: true, scorer: true },
        variables: { SCBE_KMS_PROBE_SECONDS: "1" },
      }),
    );
    const gateways = await Promise.all(PROVIDERS.map((provider) => use(watchedGateway(system, provider))));
    const orchestrator = await use(watchedOrchestrator(system));
    const serviceCaller = await use(connectServiceCaller(system, "orchestrator"));
    const targets = scrapeJobsOf(system, { gateways, orchestrators: [orchestrator] });
    watch = await use(startWatch({ thresholds, targets }));
    const { client } = orchestrator;
    stack.use(
      keepDoing(100, async () => {
        for (const provider of PROVIDERS) {
          await client.request({ provider, model: "gpt-5", intent: "chat", body: BODY });
        }
        await serviceCaller.call("sealRequest", BODY, { [HEADERS.model]: "gpt-5", [HEADERS.intent]: "chat" });
      }),
    );
  });
  afterAll(() => stack.disposeAsync());

  test.each(QUERIES)("$panel has data: $expr", async ({ expr }) => {
    await eventually(
      async () => {
        const values = (await watch.prometheus.query(expr)).map(({ value }) => value);
        expect(values).not.toEqual([]);
        expect(values.some(Number.isFinite)).toBe(true);
        return true;
      },
      { timeoutMs: 20_000, everyMs: 200 },
    );
  });

  test("has more than the minimum of queries", () => {
    expect(QUERIES.length).toBeGreaterThan(50);
  });
});
