import { chainHash } from "@scbe/envelope/control";
import { z } from "zod";

/** Bytes of one post, and alerts in it. */
export const WEBHOOK_BYTES_MAX = 256 * 1024;
export const WEBHOOK_ALERTS_MAX = 1000;
const DESCRIPTION_MAX = 300;

/** One alert, as far as a rollback is concerned. */
export interface ToldAlert {
  readonly name: string;
  readonly provider: string | undefined;
  readonly status: "firing" | "resolved";
  /** The same alert, in this firing, by whichever Alertmanager and however often it is told. */
  readonly key: string;
  readonly description: string;
}

/** A post of Alertmanager's webhook, version 4: alerts of one group. */
export interface ToldGroup {
  readonly alerts: readonly ToldAlert[];
  /** Alerts of the group that firing ones may be among, and that cannot be seen: cut off for length, or not to be read. */
  readonly hidden: number;
  readonly status: "firing" | "resolved";
  /** The labels that the group was made by. */
  readonly labels: Readonly<Record<string, string>>;
  /** The whole of what was told, for a group with hidden alerts. */
  readonly key: string;
}

export type WebhookReading =
  | { readonly ok: true; readonly group: ToldGroup }
  | { readonly ok: false; readonly problem: string };

const Labels = z.record(z.string().max(256), z.string().max(8192));
const Status = z.enum(["firing", "resolved"]);

/** Newer Alertmanagers add members, and still say "4": what is not known is left alone. */
const Post = z.object({
  version: z.literal("4"),
  groupKey: z.string().max(65_536).default(""),
  truncatedAlerts: z.int().min(0).default(0),
  status: Status,
  groupLabels: Labels.default({}),
  alerts: z.array(z.unknown()).max(WEBHOOK_ALERTS_MAX),
});

const Alert = z.object({
  status: Status,
  labels: Labels.and(z.object({ alertname: z.string().min(1).max(256) })),
  annotations: z.record(z.string(), z.unknown()).default({}),
  startsAt: z.string().max(64),
  fingerprint: z
    .string()
    .regex(/^[0-9A-Za-z_-]{1,64}$/)
    .optional(),
});

/** What a post says. One alert in it that cannot be read hides none of the others. */
export function readWebhook(body: unknown): WebhookReading {
  const post = Post.safeParse(body);
  if (!post.success) {
    const [{ path = [], message = "" } = {}] = post.error.issues;
    return { ok: false, problem: `no webhook of Alertmanager, version 4: ${path.join(".")} ${message}` };
  }
  const { alerts: told, groupLabels, groupKey, status, truncatedAlerts } = post.data;
  const alerts = told.map(readAlert).filter((alert) => alert !== undefined);
  const hidden = truncatedAlerts + told.length - alerts.length;
  const key = `group ${chainHash("", [groupKey, hidden, status, alerts.map((alert) => alert.key)]).slice(0, 22)}`;
  return { ok: true, group: { alerts, hidden, status, labels: groupLabels, key } };
}

function readAlert(told: unknown): ToldAlert | undefined {
  const read = Alert.safeParse(told);
  if (!read.success) return undefined;
  const { status, labels, annotations, startsAt } = read.data;
  const startedAt = Date.parse(startsAt);
  if (Number.isNaN(startedAt)) return undefined;
  const fingerprint = read.data.fingerprint ?? chainHash("", labels).slice(0, 22);
  const description = typeof annotations.description === "string" ? annotations.description : "";
  return {
    name: labels.alertname,
    provider: labels.provider,
    status,
    key: `${fingerprint} ${startedAt} ${status}`,
    description: description.slice(0, DESCRIPTION_MAX).toWellFormed(),
  };
}
