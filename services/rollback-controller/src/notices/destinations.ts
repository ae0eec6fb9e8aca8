import type { Environment, NoticeDestination } from "@scbe/contracts";
import { z } from "zod";
import type { Trigger } from "../alerts/triggers.ts";
import type { Notice } from "../domain/notice.ts";
import { pagerdutyEvents } from "../domain/pagerduty-event.ts";
import { slackMessage } from "../domain/slack-message.ts";

/** Somebody who is told. */
export interface Destination {
  readonly name: NoticeDestination;
  readonly url: string;
  /** The bodies to post for a notice, in order. They may hold a secret. */
  bodies(notice: Notice): readonly unknown[];
  /** True when the answer says that it was taken: a status alone may be a proxy's. */
  accepts(status: number, text: string): boolean;
}

export interface DestinationsOptions {
  readonly env: Environment;
  readonly triggers: ReadonlyMap<string, Trigger>;
  readonly pagerdutyKey: string | undefined;
  readonly pagerdutyUrl: string;
  readonly slackUrl: string | undefined;
}

/** Those that are configured. */
export function destinations(options: DestinationsOptions): Destination[] {
  const { env, triggers, pagerdutyKey, pagerdutyUrl, slackUrl } = options;
  return [
    ...(pagerdutyKey === undefined
      ? []
      : [pagerduty({ env, triggers, routingKey: pagerdutyKey }, pagerdutyUrl)]),
    ...(slackUrl === undefined ? [] : [slack(env, slackUrl)]),
  ];
}

const Taken = z.object({ status: z.literal("success") });

function pagerduty(context: Parameters<typeof pagerdutyEvents>[1], url: string): Destination {
  return {
    name: "pagerduty",
    url,
    bodies: (notice) => pagerdutyEvents(notice, context),
    accepts: (status, text) => status === 202 && Taken.safeParse(parse(text)).success,
  };
}

function slack(env: Environment, url: string): Destination {
  return {
    name: "slack",
    url,
    bodies: (notice) => [slackMessage(notice, env)],
    accepts: (status, text) => status === 200 && text.trim() === "ok",
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
