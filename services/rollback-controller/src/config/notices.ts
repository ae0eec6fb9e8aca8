import { text, url } from "@scbe/runtime";

const encrypted = (value: string, values: Readonly<Record<string, unknown>>): string | undefined =>
  values.SCBE_ENVIRONMENT === "prod" && !value.startsWith("https:")
    ? "is not https, which prod demands"
    : undefined;

/** Whom the controller tells of kills and releases; nobody unless told. */
export const noticeVariables = {
  PAGERDUTY_INTEGRATION_KEY: text({
    optional: true,
    secret: true,
    pattern: /^[A-Za-z0-9_-]{8,128}$/,
    expected: "the key of an Events API v2 integration",
    doc: "The PagerDuty integration that is told of each kill and each release. The same as Alertmanager's: then an alert and its kill are one incident.",
  }),
  PAGERDUTY_URL: url({
    default: "https://events.pagerduty.com/v2/enqueue",
    schemes: ["https", "http"],
    doc: "Where PagerDuty's Events API v2 takes events; another one for its EU region, or behind a proxy.",
    check: encrypted,
  }),
  SLACK_WEBHOOK_URL: url({
    optional: true,
    secret: true,
    schemes: ["https", "http"],
    doc: "The incoming webhook of the Slack channel that is told of each kill and each release.",
    check: encrypted,
  }),
};
