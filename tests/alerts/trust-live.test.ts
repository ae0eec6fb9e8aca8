import {
  eventually,
  type ReceivedWebhook,
  receiveWebhooks,
  requireTool,
  type WebhookReceiver,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { promDuration } from "#monitoring/prom-duration.ts";
import { shortened, THRESHOLDS } from "#monitoring/thresholds.ts";
import type { ServiceProcess } from "../kit/service-process.ts";
import { type System, startSystem } from "../kit/system.ts";
import { type TrustReporter, trustReporter } from "../kit/trust.ts";
import { scrapeJobsOf, startWatch, type Watch } from "./watch.ts";

const missing = (["prometheus", "alertmanager"] as const).filter((name) => !requireTool(name).ok);

/** Shortens every `for`, every window and the scrape interval: 20 s become one. */
const thresholds = shortened(THRESHOLDS, 20);
const GAP = promDuration(thresholds.durations.trustGapMs);
const PROVIDERS = ["openai", "anthropic", "google", "groq", "perplexity", "xai"];
const FAILURES = 6;
const LONG = { timeoutMs: 60_000, everyMs: 200 };
const ALERT = "SCBETrustDegraded";

describe.skipIf(missing.length > 0)("alerts of trust over two real scorers", { timeout: 70_000 }, () => {
  const stack = new AsyncDisposableStack();
  let controller: WebhookReceiver;
  let system: System;
  let watch: Watch;
  let reporter: TrustReporter;

  beforeAll(async () => {
    const use = async <T extends AsyncDisposable>(one: Promise<T>): Promise<T> => stack.use(await one);
    controller = await use(receiveWebhooks());
    system = await use(
      startSystem({
        ...{ providers: PROVIDERS, scorer: 2, envelope: false, redis: false },
        // Exclusions last until the end of the test, and another scorer leads within a second.
        variables: {
          SCBE_TRUST_LEADER_MS: "900",
          SCBE_TRUST_EXCLUSION_MS: "600000",
          SCBE_TRUST_EXCLUSION_MAX_MS: "600000",
        },
      }),
    );
    const targets = scrapeJobsOf(system, { gateways: [], orchestrators: [] });
    watch = await use(
      startWatch({
        thresholds,
        targets,
        controller: { url: controller.url, token: "a token for the tests" },
      }),
    );
    reporter = await use(trustReporter(system));
  }, 90_000);
  afterAll(() => stack.disposeAsync());

  test("an alert names one excluded provider of six at once, since the average hides it", async () => {
    await reporter.failures("xai", FAILURES);
    await eventually(async () => (await firing("SCBEProviderExcluded")).includes("xai"), LONG);
    expect(await firing("SCBEProviderExcluded")).toEqual(["xai"]);
    expect(await number("min(scbe_trust_score_avg)")).toBeCloseTo(5 / 6);
    expect(await values(`ALERTS{alertname="${ALERT}"}`)).toEqual([]);
  });

  test("an alert names a latched provider, which waits for an administrator", async () => {
    await reporter.integrity("groq");
    await eventually(async () => (await firing("SCBEProviderLatched")).includes("groq"), LONG);
    expect(await firing("SCBEProviderLatched")).toEqual(["groq"]);
  });

  test(`an average below the limit fires ${ALERT}, with the runbook's description`, async () => {
    for (const provider of PROVIDERS.slice(0, 3)) await reporter.failures(provider, FAILURES);
    const webhook = await controller.webhook(isAbout(ALERT), LONG);
    expect(webhook.status).toBe("firing");
    expect(webhook.alerts.map(({ labels }) => labels)).toEqual([
      { alertname: ALERT, class: "safety", severity: "critical" },
    ]);
    expect(webhook.alerts[0]?.annotations.description).toBe("Average trust score: 0.17");
  });

  test("the alert continues without a gap when the leading scorer dies and the other one takes over", async () => {
    const since = await number(`ALERTS_FOR_STATE{alertname="${ALERT}"}`);
    const leader = await leading(system.scorers);
    const [standby] = system.scorers.filter((scorer) => scorer !== leader);
    await leader.kill();
    const isReported = async () => (await values(`scbe_trust_score_avg${of(standby)}`)).length > 0;
    await eventually(isReported, LONG);
    // From here on no sample of the dead scorer keeps the alert firing.
    const isForgotten = async () =>
      (await values(`last_over_time(scbe_trust_score_avg${of(leader)}[${GAP}])`)).length === 0;
    await eventually(isForgotten, LONG);
    expect(await values(`ALERTS{alertname="${ALERT}",alertstate="firing"}`)).toEqual([1]);
    expect(await number(`ALERTS_FOR_STATE{alertname="${ALERT}"}`)).toBe(since);
    expect(controller.webhooks.filter(isAbout(ALERT)).filter(({ status }) => status === "resolved")).toEqual(
      [],
    );
  });

  async function values(expression: string): Promise<readonly number[]> {
    return (await watch.prometheus.query(expression)).map(({ value }) => value);
  }

  async function number(expression: string): Promise<number> {
    const all = await values(expression);
    expect(all, expression).toHaveLength(1);
    return all[0] ?? Number.NaN;
  }

  /** The providers of a firing alert. */
  async function firing(alert: string): Promise<(string | undefined)[]> {
    const fired = await watch.prometheus.query(`ALERTS{alertname="${alert}",alertstate="firing"}`);
    return fired.map(({ labels }) => labels.provider);
  }
});

function of(scorer: ServiceProcess | undefined): string {
  return `{instance="${new URL(scorer?.opsUrl ?? "").host}"}`;
}

async function leading(scorers: readonly ServiceProcess[]): Promise<ServiceProcess> {
  for (const scorer of scorers) {
    const metrics = await (await fetch(`${scorer.opsUrl}/metrics`)).text();
    if (metrics.includes("\nscbe_trust_leading 1\n")) return scorer;
  }
  throw new Error("no scorer leads");
}

function isAbout(alertname: string): (webhook: ReceivedWebhook) => boolean {
  return ({ groupLabels }) => groupLabels.alertname === alertname;
}
