import type { AlertResult, KillCause } from "@scbe/contracts";
import type { Actor, KillOrder } from "../ports.ts";
import type { ToldAlert, ToldGroup } from "./read-webhook.ts";
import { NONCE_REUSE_ALERT, type Trigger, WATCHDOG_ALERT } from "./triggers.ts";

export interface RollbackRules {
  readonly triggers: ReadonlyMap<string, Trigger>;
  /** Of the deployment: an alert that names another one, or none, is about everything. */
  readonly providers: readonly string[];
  /** True when an alert of that key was acted on before. */
  isKnown(key: string): boolean;
}

export interface Order {
  readonly order: KillOrder;
  readonly actor: Actor;
}

/** What a post of Alertmanager leads to. */
export interface Rollback {
  /** Kills, the gravest first, none twice. */
  readonly orders: readonly Order[];
  /** What was done with each alert, the whole of a group with hidden ones counting as one. */
  readonly results: readonly { readonly alert: ToldAlert; readonly result: AlertResult }[];
  /** Keys that are known from now on. */
  readonly keys: readonly string[];
  /** Providers whose nonce reuse is firing, known or not; "all" where none is named. */
  readonly reused: readonly string[];
  /** Whether the alert that always fires is among them. */
  readonly watchdog: boolean;
}

/** Decides on a group of alerts. Firing ones that are triggers kill, once each; nothing ever switches anything back on. */
export function decideRollback(group: ToldGroup, rules: RollbackRules): Rollback {
  const alerts = [...group.alerts, ...wholeGroup(group, rules)];
  const results = alerts.map((alert) => ({ alert, result: resultOf(alert, rules) }));
  const isNew = ({ alert, result }: (typeof results)[number]): boolean =>
    result !== "watchdog" && !rules.isKnown(alert.key);
  const killing = results.filter(({ result }) => result === "killed").map(({ alert }) => alert);
  const reuses = alerts.filter(({ name, status }) => name === NONCE_REUSE_ALERT && status === "firing");
  return {
    orders: distinct(killing.flatMap((alert) => orderFor(alert, rules))),
    results,
    keys: [...new Set(results.filter(isNew).map(({ alert }) => alert.key))],
    reused: [...new Set(reuses.map(({ provider }) => knownProvider(provider, rules) ?? "all"))],
    watchdog: results.some(({ result }) => result === "watchdog"),
  };
}

function resultOf({ name, status, key }: ToldAlert, { triggers, isKnown }: RollbackRules): AlertResult {
  if (name === WATCHDOG_ALERT) return status === "firing" ? "watchdog" : "ignored";
  if (isKnown(key)) return "known";
  if (status === "resolved") return "resolved";
  return triggers.has(name) ? "killed" : "ignored";
}

/**
 * Alerts that cannot be seen are taken to be whatever the group is about: each trigger that it names, of the provider that it was
 * grouped by, else of everything.
 */
function wholeGroup({ hidden, status, labels, alerts, key }: ToldGroup, rules: RollbackRules): ToldAlert[] {
  if (hidden === 0 || status !== "firing") return [];
  const names = labels.alertname === undefined ? alerts.map(({ name }) => name) : [labels.alertname];
  const description = `${hidden} alerts of the group were not told`;
  return [...new Set(names)]
    .filter((name) => rules.triggers.has(name))
    .map((name) => ({ name, provider: labels.provider, status, key: `${key} ${name}`, description }));
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
