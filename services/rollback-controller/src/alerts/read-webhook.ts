import { cutText } from "@scbe/contracts";
import { z } from "zod";

/** Of one post; the rest is not read. */
export const WEBHOOK_BYTES_MAX = 1024 * 1024;
const DESCRIPTION_MAX = 300;
const NAME_MAX = 256;

export type AlertStatus = "firing" | "resolved";

/** The members of an alert that a rollback uses. */
export interface PostedAlert {
  readonly name: string;
  readonly provider: string | undefined;
  readonly status: AlertStatus;
  /** All readable labels: they distinguish it from other alerts of the same name and provider. */
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string;
}

/** What hidden alerts are assumed to be. */
export type HiddenAlert = Pick<PostedAlert, "name" | "provider">;

/** A post of Alertmanager's webhook, version 4: the alerts of one group. */
export interface PostedGroup {
  readonly status: AlertStatus;
  readonly alerts: readonly PostedAlert[];
  /** Alerts in it without a readable name. */
  readonly unreadable: number;
  /** Alerts of the group that are not among {@link alerts}: left out by Alertmanager, cut off, or unreadable. */
  readonly hidden: number;
  readonly hiddenAs: readonly HiddenAlert[];
  /** The problem of the post as a whole; absent: none. */
  readonly problem?: string;
}

/** A JSON document, or the part of one before its end or its first mistake. */
export interface JsonStart {
  /** `undefined` if not even a first value is readable. */
  readonly value: unknown;
  /** Objects and lists in it whose end was not reached; empty for a whole document. */
  readonly open: ReadonlySet<unknown>;
  readonly isWhole: boolean;
}

/** The schema of a whole post. Newer Alertmanagers add members under the same version "4": unknown members are ignored. */
const Post = z.object({
  version: z.literal("4"),
  truncatedAlerts: z.int().min(0).default(0),
  status: z.enum(["firing", "resolved"]),
  alerts: z.array(z.unknown()),
});

/**
 * Reads as much of a post as possible: an unreadable part hides nothing beside it. Alertmanager writes the labels of the group behind the
 * alerts, so they may be missing in a post that is cut off.
 */
export function readWebhook(start: JsonStart): PostedGroup {
  const post = objectIn(start.value);
  const status = statusIn(post.status);
  const list: readonly unknown[] = Array.isArray(post.alerts) ? post.alerts : [];
  const seen = list.map((alert) => readAlert(alert, start));
  const named = seen.filter((alert) => alert !== undefined);
  const truncated = Post.shape.truncatedAlerts.safeParse(post.truncatedAlerts).data ?? 0;
  const isCut = !start.isWhole && (list !== post.alerts || start.open.has(list));
  const group = groupOf(post, { start, named, truncated });
  const alerts = named.map(({ isOpen, status: own, ...alert }) => ({
    ...alert,
    status: own ?? status ?? "firing",
    provider: alert.provider ?? group.ownProvider ?? (isOpen ? group.providerOf(alert.name) : undefined),
  }));
  const unreadable = list.length - named.length;
  const problem = problemOf(start);
  return {
    status: status ?? "firing",
    alerts,
    unreadable,
    hidden: truncated + unreadable + (isCut ? 1 : 0),
    hiddenAs: group.names.map((name) => ({ name, provider: group.providerOf(name) })),
    ...(problem !== undefined && { problem }),
  };
}

function problemOf({ isWhole, value }: JsonStart): string | undefined {
  if (!isWhole) return "it is cut off, or is not JSON";
  const post = Post.safeParse(value);
  if (post.success) return undefined;
  const [{ path = [], message = "" } = {}] = post.error.issues;
  return `no webhook of Alertmanager, version 4: ${path.join(".")} ${message}`;
}

interface SeenAlert extends Omit<PostedAlert, "status"> {
  readonly status: AlertStatus | undefined;
  /** The post is cut off within it. */
  readonly isOpen: boolean;
}

function readAlert(value: unknown, { open }: JsonStart): SeenAlert | undefined {
  const alert = objectIn(value);
  const labels = labelsIn(alert.labels);
  const { alertname: name = "", provider } = labels;
  if (name === "" || name.length > NAME_MAX) return undefined;
  const { description } = objectIn(alert.annotations);
  return {
    name,
    provider,
    status: statusIn(alert.status),
    labels,
    description: typeof description === "string" ? cutText(description, DESCRIPTION_MAX) : "",
    isOpen: open.has(value),
  };
}

interface Group {
  /** The possible names of its hidden alerts. */
  readonly names: readonly string[];
  /** The provider that it was grouped by. */
  readonly ownProvider: string | undefined;
  /** The provider of a hidden alert of that name; `undefined`: any provider is possible. */
  providerOf(name: string): string | undefined;
}

interface Seen {
  readonly start: JsonStart;
  readonly named: readonly SeenAlert[];
  readonly truncated: number;
}

function groupOf(post: Record<string, unknown>, { start, named, truncated }: Seen): Group {
  const [own, common] = [labelsIn(post.groupLabels), labelsIn(post.commonLabels)];
  const name = own.alertname || common.alertname;
  // Alertmanager computes the common labels without the alerts that it leaves out.
  const provider = own.provider || (truncated === 0 ? common.provider : undefined);
  const isReached = typeof post.groupLabels === "object" && !start.open.has(post.groupLabels);
  const shared = isReached ? new Map<string, undefined>() : sharedProviders(named);
  return {
    names: name ? [name] : [...new Set(named.map((alert) => alert.name))],
    ownProvider: own.provider,
    providerOf: (of) => provider || shared.get(of),
  };
}

/** By name, the provider that all alerts of that name share, ignoring one that is cut off; absent: they differ. */
function sharedProviders(alerts: readonly SeenAlert[]): ReadonlyMap<string, string | undefined> {
  const shared = new Map<string, string | undefined>();
  for (const { name, provider, isOpen } of alerts) {
    if (isOpen && provider === undefined) continue;
    shared.set(name, shared.has(name) && shared.get(name) !== provider ? undefined : provider);
  }
  return shared;
}

function objectIn(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function statusIn(value: unknown): AlertStatus | undefined {
  return value === "firing" || value === "resolved" ? value : undefined;
}

/** The labels that are text, as all labels of Alertmanager are. */
function labelsIn(value: unknown): Record<string, string> {
  const texts = Object.entries(objectIn(value)).filter(
    (label): label is [string, string] => typeof label[1] === "string",
  );
  return Object.fromEntries(texts.map(([name, text]) => [name.toWellFormed(), text.toWellFormed()]));
}
