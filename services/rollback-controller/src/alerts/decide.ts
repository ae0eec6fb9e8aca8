import type { AlertResult, KillCause } from "@scbe/contracts";
import type { Actor, KillOrder } from "../ports.ts";
import { firingKey, type Sighting, type Sightings } from "./firings.ts";
import type { PostedAlert, PostedGroup } from "./read-webhook.ts";
import { killActor, NONCE_REUSE_ALERT, type Trigger, WATCHDOG_ALERT } from "./triggers.ts";

export interface RollbackRules {
  readonly triggers: ReadonlyMap<string, Trigger>;
  /** Of the deployment. An alert that names another provider, or none, is about everything. */
  readonly providers: readonly string[];
  /** True if the firing of that key was processed and has not ended. */
  isActive(key: string): boolean;
}

export interface Order {
  readonly order: KillOrder;
  readonly actor: Actor;
}

/** The effect of a post of Alertmanager. */
export interface Rollback {
  /** Kills, the most serious first, without duplicates. */
  readonly orders: readonly Order[];
  /** The number of alerts with each result. Hidden alerts that are assumed to be a trigger count as one. */
  readonly counts: Readonly<Partial<Record<AlertResult, number>>>;
  /** What it reports of the firings of triggers. */
  readonly sightings: Sightings;
  /** Providers whose nonce reuse is firing, processed before or not; "all" if no provider is named. */
  readonly reused: readonly string[];
  /** True if the post includes the alert that always fires. */
  readonly watchdog: boolean;
}

/** Alerts of one firing whose labels are used. Only in an alert storm does a post hold more of them than there are replicas. */
const SIGHTED_MAX = 256;

/** Decides on a group of alerts. A firing trigger kills, once for each firing. Nothing here ever switches anything back on. */
export function decideRollback(group: PostedGroup, rules: RollbackRules): Rollback {
  const alerts = [...group.alerts, ...hiddenAlerts(group, rules)];
  const results = alerts.map((alert) => ({ alert, result: resultOf(alert, rules) }));
  const killing = results.filter(({ result }) => result === "killed").map(({ alert }) => alert);
  const reuses = alerts.filter(({ name, status }) => name === NONCE_REUSE_ALERT && status === "firing");
  return {
    orders: distinct(killing.flatMap((alert) => orderFor(alert, rules))),
    counts: countResults([
      ...results.map(({ result }) => result),
      ...Array.from({ length: group.unreadable }, () => "unreadable" as const),
    ]),
    sightings: sightingsOf(group, rules),
    reused: [...new Set(reuses.map(({ provider }) => knownProvider(provider, rules) ?? "all"))],
    watchdog: results.some(({ result }) => result === "watchdog"),
  };
}

function resultOf(
  alert: Pick<PostedAlert, "name" | "provider" | "status">,
  rules: RollbackRules,
): AlertResult {
  const { name, status } = alert;
  if (name === WATCHDOG_ALERT) return status === "firing" ? "watchdog" : "ignored";
  if (status === "resolved") return "resolved";
  if (!rules.triggers.has(name)) return "ignored";
  return rules.isActive(keyOf(alert, rules)) ? "known" : "killed";
}

/** Hidden alerts of a firing group are assumed to fire, under the names that the group has. */
function hiddenAlerts(group: PostedGroup, { triggers }: RollbackRules): PostedAlert[] {
  if (group.hidden === 0 || group.status !== "firing") return [];
  const description = `${group.hidden} alerts of the group were left out`;
  return group.hiddenAs
    .filter(({ name }) => triggers.has(name))
    .map((alert) => ({ ...alert, status: group.status, labels: {}, description }));
}

function sightingsOf(group: PostedGroup, rules: RollbackRules): Sightings {
  const sightings = new Map<string, Sighting>();
  const sightingOf = (alert: Pick<PostedAlert, "name" | "provider">): Sighting => {
    const key = keyOf(alert, rules);
    const sighting = sightings.get(key) ?? { firing: [], resolved: [], hidden: undefined };
    sightings.set(key, sighting);
    return sighting;
  };
  for (const alert of group.alerts.filter(({ name }) => rules.triggers.has(name))) {
    const sighting = sightingOf(alert);
    const sighted = sighting[alert.status];
    if (sighted.length < SIGHTED_MAX) sighted.push(alert.labels);
    else if (alert.status === "firing") sighting.hidden = "firing";
  }
  if (group.hidden === 0) return sightings;
  for (const hidden of group.hiddenAs.filter(({ name }) => rules.triggers.has(name)))
    sightingOf(hidden).hidden = group.status;
  return sightings;
}

function keyOf({ name, provider }: Pick<PostedAlert, "name" | "provider">, rules: RollbackRules): string {
  return firingKey(name, knownProvider(provider, rules));
}

function orderFor({ name, provider, description }: PostedAlert, rules: RollbackRules): Order[] {
  const trigger = rules.triggers.get(name);
  if (trigger === undefined) return [];
  const known = knownProvider(provider, rules);
  const of = trigger.scope === "provider" && known !== undefined ? { provider: known } : {};
  const by = killActor("alert", { alertname: name, provider: known });
  return [
    { order: { ...of, cause: trigger.cause }, actor: { by, reason: description || `${name} is firing` } },
  ];
}

function knownProvider(provider: string | undefined, { providers }: RollbackRules): string | undefined {
  return provider !== undefined && providers.includes(provider) ? provider : undefined;
}

const SEVERITY: Readonly<Record<KillCause, number>> = { integrity: 0, availability: 2 };

function distinct(orders: readonly Order[]): Order[] {
  const severity = ({ order }: Order): number =>
    SEVERITY[order.cause] + (order.provider === undefined ? 0 : 1);
  const sorted = orders.toSorted((a, b) => severity(a) - severity(b));
  const seen = new Map(sorted.toReversed().map((it) => [`${it.order.cause} ${it.order.provider}`, it]));
  return sorted.filter((it) => seen.get(`${it.order.cause} ${it.order.provider}`) === it);
}

function countResults(results: readonly AlertResult[]): Partial<Record<AlertResult, number>> {
  const counts: Partial<Record<AlertResult, number>> = {};
  for (const result of results) counts[result] = (counts[result] ?? 0) + 1;
  return counts;
}
