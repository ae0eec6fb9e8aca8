import { METRICS } from "@scbe/contracts";
import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { eachScrape, everyMinute, gauge, histogram, type Increment, series } from "./series.ts";

/*
 * A wrong clock skews everything that passes it. Both alerts get the same data: SCBEClockOffset names the instance, SCBEProviderSkew the
 * provider.
 */

const MINUTES = 20;
const SKEW = "scbe_phase_skew_ms";
const ORCHESTRATOR = { job: "orchestrator", instance: "orchestrator-1:9" };
const OTHER = { ...ORCHESTRATOR, instance: "orchestrator-2:9" };
const ENVELOPE = { job: "envelope", instance: "envelope-1:9" };
const GATEWAY = { job: "gateway", instance: "gateway-xai:9" };
const OFF_MS = 3000;
const NEAR_MS = 20;
const STEADY = eachScrape(150);

interface Seen {
  readonly provider: string;
  readonly skewMs: number;
  readonly by?: { readonly job: string; readonly instance: string };
  readonly phase?: "request" | "response";
  readonly increment?: Increment;
}

function skew({ provider, skewMs, by = ORCHESTRATOR, phase = "response", increment = STEADY }: Seen) {
  const bounds = METRICS[SKEW].bounds;
  const of = [{ size: skewMs, increment }];
  return histogram(SKEW, { ...by, phase, provider }, { bounds, minutes: MINUTES, of });
}

function clock(offMs: number, of: { readonly job: string; readonly instance: string }): CaseSeries {
  return series(
    "scbe_clock_offset_ms",
    of,
    gauge(MINUTES, () => offMs),
  );
}

/** The clock of xai's gateway is off: it sees all requests skewed, and its responses are skewed. */
const PROVIDER_OFF: readonly CaseSeries[] = [
  clock(5, ORCHESTRATOR),
  clock(OFF_MS, GATEWAY),
  ...skew({ provider: "xai", skewMs: OFF_MS }),
  ...skew({ provider: "openai", skewMs: NEAR_MS }),
  ...skew({ provider: "xai", skewMs: OFF_MS, by: GATEWAY, phase: "request" }),
];

/** The clock of one orchestrator is off: its requests are skewed for every opener, and it sees all responses skewed. */
const INSTANCE_OFF: readonly CaseSeries[] = [
  clock(-OFF_MS, ORCHESTRATOR),
  clock(0, OTHER),
  clock(5, GATEWAY),
  ...skew({ provider: "xai", skewMs: OFF_MS }),
  ...skew({ provider: "openai", skewMs: OFF_MS }),
  ...skew({ provider: "xai", skewMs: NEAR_MS, by: OTHER }),
  ...skew({ provider: "openai", skewMs: NEAR_MS, by: OTHER }),
  ...skew({ provider: "xai", skewMs: OFF_MS, by: GATEWAY, phase: "request" }),
  clock(0, ENVELOPE),
  ...skew({ provider: "xai", skewMs: OFF_MS, by: ENVELOPE, phase: "request" }),
  ...skew({ provider: "openai", skewMs: NEAR_MS, by: ENVELOPE, phase: "request" }),
];

const NONE_OFF: readonly CaseSeries[] = [
  clock(5, ORCHESTRATOR),
  clock(-5, GATEWAY),
  ...skew({ provider: "xai", skewMs: 1900 }),
  ...skew({ provider: "openai", skewMs: NEAR_MS }),
];

const never = (alert: string, data: readonly CaseSeries[]) =>
  ({ alert, series: data, minutes: MINUTES, fires: "never" }) as const;

export const PROVIDER_SKEW: AlertCases = {
  "a provider whose responses alone are off is an alert after ten minutes, and is named": {
    alert: "SCBEProviderSkew",
    series: PROVIDER_OFF,
    minutes: 10.25,
    fires: {
      labels: { provider: "xai" },
      notBefore: 10,
      says: "The responses of xai alone are 4970ms off (p99), at instances whose own clock is right",
    },
  },
  "the clock of that provider's gateway is the only one named": {
    alert: "SCBEClockOffset",
    series: PROVIDER_OFF,
    minutes: 6,
    fires: { labels: GATEWAY, says: "The clock of gateway at gateway-xai:9 is +3000ms off the keyring's" },
  },
  "an instance whose own clock is off blames no provider": never("SCBEProviderSkew", INSTANCE_OFF),
  "an instance whose own clock is off is named, and no other one": {
    alert: "SCBEClockOffset",
    series: INSTANCE_OFF,
    minutes: 6,
    fires: {
      labels: ORCHESTRATOR,
      says: "The clock of orchestrator at orchestrator-1:9 is -3000ms off the keyring's",
    },
  },
  "an instance at which every provider is late blames no provider, though its clock is right": never(
    "SCBEProviderSkew",
    [
      clock(0, ORCHESTRATOR),
      ...skew({ provider: "xai", skewMs: OFF_MS }),
      ...skew({ provider: "openai", skewMs: OFF_MS }),
    ],
  ),
  "an instance that does not know its own offset blames no provider": never("SCBEProviderSkew", [
    ...skew({ provider: "xai", skewMs: OFF_MS }),
    ...skew({ provider: "openai", skewMs: NEAR_MS }),
  ]),
  "too few responses for a percentile blame no provider": never("SCBEProviderSkew", [
    clock(0, ORCHESTRATOR),
    ...skew({ provider: "xai", skewMs: OFF_MS, increment: everyMinute(1) }),
    ...skew({ provider: "openai", skewMs: NEAR_MS }),
  ]),
  "skews below the limit name no provider": never("SCBEProviderSkew", NONE_OFF),
  "skews below the limit name no instance": never("SCBEClockOffset", NONE_OFF),
};
