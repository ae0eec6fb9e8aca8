import type { AlertResult, KillCause } from "@scbe/contracts";
import type { Actor, KillOrder } from "../ports.ts";
import { firingKey, type Sighting, type Sightings } from "./firings.ts";
import type { ToldAlert, ToldGroup } from "./read-webhook.ts";
import { NONCE_REUSE_ALERT, type Trigger, WATCHDOG_ALERT } from "./triggers.ts";

export interface RollbackRules {
  readonly triggers: ReadonlyMap<string, Trigger>;
  /** Of the deployment: an alert that names another one, or none, is about everything. */
  readonly providers: readonly string[];
  /** True when the firing of that key was acted on, and has not ended. */
  isStanding(key: string): boolean;
}

export interface Order {
  readonly order: KillOrder;
  readonly actor: Actor;
}

/** What a post of Alertmanager leads to. */
export interface Rollback {
  /** Kills, the gravest first, none twice. */
  readonly orders: readonly Order[];
  /** How many alerts had each result. Hidden ones that are taken for a trigger count as one. */
  readonly counts: Readonly<Partial<Record<AlertResult, number>>>;
  /** What it says of the firings of triggers. */
  readonly sightings: Sightings;
  /** Providers whose nonce reuse is firing, known or not; "all" where none is named. */
  readonly reused: readonly string[];
  /** Whether the alert that always fires is among them. */
  readonly watchdog: boolean;
}

/** Alerts of one firing whose labels are looked at; a post holds more of them than there are replicas only in a storm. */
const SIGHTED_MAX = 256;

/** Decides on a group of alerts. Firing ones that are triggers kill, once for each firing; nothing ever switches anything back on. */
export function decideRollback(group: ToldGroup, rules: RollbackRules): Rollback {
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

function resultOf(alert: Pick<ToldAlert, "name" | "provider" | "status">, rules: RollbackRules): AlertResult {
  const { name, status } = alert;
  if (name === WATCHDOG_ALERT) return status === "firing" ? "watchdog" : "ignored";
  if (status === "resolved") return "resolved";
  if (!rules.triggers.has(name)) return "ignored";
  return rules.isStanding(keyOf(alert, rules)) ? "known" : "killed";
}

/** Alerts that cannot be seen fire when their group does: they are taken to be whatever the group is about. */
function hiddenAlerts(group: ToldGroup, { triggers }: RollbackRules): ToldAlert[] {
  if (group.hidden === 0 || group.status !== "firing") return [];
  const description = `${group.hidden} alerts of the group were not told`;
  return group.hiddenAs
    .filter(({ name }) => triggers.has(name))
    .map((alert) => ({ ...alert, status: group.status, labels: {}, description }));
}

function sightingsOf(group: ToldGroup, rules: RollbackRules): Sightings {
  const sightings = new Map<string, Sighting>();
  const sightingOf = (alert: Pick<ToldAlert, "name" | "provider">): Sighting => {
    const key = keyOf(alert, rules);
    const sighting = sightings.get(key) ?? { firing: [], resolved: [], hidden: undefined };
    sightings.set(key, sighting);
    return sighting;
  };
  for (const alert of group.alerts.filter(({ name }) => rules.triggers.has(name))) {
    const sighting = sightingOf(alert);
    const told = sighting[alert.status];
    if (told.length < SIGHTED_MAX) told.push(alert.labels);
    else if (alert.status === "firing") sighting.hidden = "firing";
  }
  if (group.hidden === 0) return sightings;
  for (const hidden of group.hiddenAs.filter(({ name }) => rules.triggers.has(name)))
    sightingOf(hidden).hidden = group.status;
  return sightings;
}

function keyOf({ name, provider }: Pick<ToldAlert, "name" | "provider">, rules: RollbackRules): string {
  return firingKey(name, knownProvider(provider, rules));
}

function orderFor({ name, provider, description }: ToldAlert, rules: RollbackRules): Order[] {
  const trigger = rules.triggers.get(name);
  if (trigger === undefined) return [];
  const known = knownProvider(provider, rules);
  const of = trigger.scope === "provider" && known !== undefined ? { provider: known } : {};
  const by = known === undefined ? `alert:${name}` : `alert:${name}:${known}`;
  return [
    { order: { ...of, cause: trigger.cause }, actor: { by, reason: description || `${name} is firing` } },
  ];
}

function knownProvider(provider: string | undefined, { providers }: RollbackRules): string | undefined {
  return provider !== undefined && providers.includes(provider) ? provider : undefined;
}

const GRAVITY: Readonly<Record<KillCause, number>> = { integrity: 0, availability: 2 };

function distinct(orders: readonly Order[]): Order[] {
  const gravity = ({ order }: Order): number => GRAVITY[order.cause] + (order.provider === undefined ? 0 : 1);
  const sorted = orders.toSorted((a, b) => gravity(a) - gravity(b));
  const seen = new Map(sorted.toReversed().map((it) => [`${it.order.cause} ${it.order.provider}`, it]));
  return sorted.filter((it) => seen.get(`${it.order.cause} ${it.order.provider}`) === it);
}

function countResults(results: readonly AlertResult[]): Partial<Record<AlertResult, number>> {
  const counts: Partial<Record<AlertResult, number>> = {};
  for (const result of results) counts[result] = (counts[result] ?? 0) + 1;
  return counts;
}
