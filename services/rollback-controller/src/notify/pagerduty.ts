import { cutText, type Environment } from "@scbe/contracts";
import { z } from "zod";
import { incidentOf, type Trigger } from "../alerts/triggers.ts";
import { type Destination, type Notice, scopeName } from "./notice.ts";

/** An event of PagerDuty's Events API v2, in the runbook's shape. */
export interface PagerdutyEvent {
  readonly routing_key: string;
  readonly event_action: "trigger" | "resolve";
  readonly dedup_key: string;
  readonly payload?: {
    readonly summary: string;
    readonly severity: "critical" | "warning";
    readonly source: string;
    readonly custom_details: Readonly<Record<string, string>>;
  };
}

export interface PagerdutyContext {
  readonly routingKey: string;
  readonly env: Environment;
  readonly triggers: ReadonlyMap<string, Trigger>;
}

const Accepted = z.object({ status: z.literal("success") });

/** PagerDuty's Events API at `url`. */
export function pagerduty(context: PagerdutyContext, url: string): Destination {
  return {
    name: "pagerduty",
    url,
    bodies: (notice) => pagerdutyEvents(notice, context),
    accepts: (status, text) => status === 202 && Accepted.safeParse(parse(text)).success,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const SOURCE = "scbe-monitoring";
const SUMMARY_MAX = 1024;

/** The events of a notice: one that opens an incident, or one for each incident that ends. */
export function pagerdutyEvents(notice: Notice, context: PagerdutyContext): PagerdutyEvent[] {
  const { routingKey: routing_key } = context;
  if (notice.kind === "released") {
    return notice.keys.map((dedup_key) => ({ routing_key, event_action: "resolve", dedup_key }));
  }
  const payload = notice.kind === "engaged" ? killPayload(notice, context) : alonePayload(notice, context);
  return [{ routing_key, event_action: "trigger", dedup_key: notice.key, payload }];
}

type Payload = NonNullable<PagerdutyEvent["payload"]>;

function killPayload(
  { scope, kill, mode }: Notice & { kind: "engaged" },
  { env, triggers }: PagerdutyContext,
): Payload {
  const { cause, reason, by, since } = kill;
  const trigger = triggers.get(incidentOf(by)?.alertname ?? "");
  return {
    summary: cutText(
      `SCBE kill switch engaged for ${scopeName(scope)} (${cause}, ${mode}): ${reason}`,
      SUMMARY_MAX,
    ),
    severity: "critical",
    source: SOURCE,
    custom_details: {
      metric: trigger?.metric ?? "scbe.kill_switch",
      value: reason,
      threshold: trigger?.threshold ?? "none",
      scope: scopeName(scope),
      cause,
      mode,
      by,
      since: new Date(since).toISOString(),
      environment: env,
    },
  };
}

function alonePayload({ provider, path }: Notice & { kind: "alone" }, { env }: PagerdutyContext): Payload {
  const silent = path === "event" ? "alert" : "event";
  return {
    summary: `SCBE nonce reuse at ${provider}: only the ${path} has spoken, and no ${silent}`,
    severity: "warning",
    source: SOURCE,
    custom_details: {
      metric: "scbe.rollback.paths",
      value: path,
      threshold: "both",
      scope: provider,
      environment: env,
    },
  };
}
