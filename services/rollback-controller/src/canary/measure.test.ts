import { expect, test } from "vitest";
import { type Matcher, silencedAlerts } from "./measure.ts";

const ALERTS = ["SCBENonceReuse", "SCBEGCMFailureRate", "SCBEHighLatency"];

const is = (name: string, value: string): Matcher => ({ name, value, isRegex: false, isEqual: true });
const isNot = (name: string, value: string): Matcher => ({ ...is(name, value), isEqual: false });
const matches = (name: string, value: string): Matcher => ({ ...is(name, value), isRegex: true });

test.each([
  { named: "an alert by its name", matchers: [is("alertname", "SCBENonceReuse")], hides: ["SCBENonceReuse"] },
  {
    named: "an alert of this provider",
    matchers: [is("alertname", "SCBEHighLatency"), is("provider", "openai")],
    hides: ["SCBEHighLatency"],
  },
  { named: "all of this provider", matchers: [is("provider", "openai")], hides: ALERTS },
  { named: "all safety alerts", matchers: [is("class", "safety")], hides: ALERTS },
  {
    named: "names by an expression",
    matchers: [matches("alertname", "SCBENonceReuse|SCBEHigh.*")],
    hides: ["SCBENonceReuse", "SCBEHighLatency"],
  },
  { named: "everything", matchers: [matches("alertname", ".+")], hides: ALERTS },
  { named: "every alert but one", matchers: [isNot("alertname", "SCBENonceReuse")], hides: ALERTS.slice(1) },
  {
    named: "a label with an unknown value",
    matchers: [is("alertname", "SCBENonceReuse"), is("instance", "guard-1")],
    hides: ["SCBENonceReuse"],
  },
  {
    named: "an expression that could take forever, which is never run",
    matchers: [matches("alertname", "(S+)+x"), is("provider", "openai")],
    hides: ALERTS,
  },
])("a silence over $named hides $hides", ({ matchers, hides }) => {
  expect(silencedAlerts(matchers, { alerts: ALERTS, provider: "openai" })).toEqual(hides);
});

test.each([
  { named: "another provider", matchers: [is("class", "safety"), is("provider", "xai")] },
  { named: "another alert", matchers: [is("alertname", "SCBEClockOffset")] },
  { named: "operations", matchers: [is("class", "operations")] },
  { named: "other names by an expression", matchers: [matches("alertname", "Kube.*|Node-1")] },
  { named: "all but this provider", matchers: [isNot("provider", "openai")] },
])("a silence over $named hides nothing of this provider", ({ matchers }) => {
  expect(silencedAlerts(matchers, { alerts: ALERTS, provider: "openai" })).toEqual([]);
});
