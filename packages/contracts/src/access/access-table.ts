import { OPENING_TOKEN_INTENT } from "../names.ts";
import { QUEUES, type SubjectKind } from "../subjects.ts";

/** The kinds of users that the bus knows. */
export const ROLES = [
  "keyring",
  "envelope",
  "replay-guard",
  "rollback-controller",
  "trust-scorer",
  "orchestrator",
  "gateway",
  "operator",
] as const;
export type Role = (typeof ROLES)[number];

/**
 * The accounts with JetStream, one for each service that keeps state; the bus's own account has none. JetStream publishes to any
 * reply subject that a request names, with the server's permissions: so no user of the bus may reach it, and only the service
 * itself is in its store's account.
 */
export const STORE_ACCOUNTS = ["keyring", "replay", "control", "trust"] as const;
export type StoreAccount = (typeof STORE_ACCOUNTS)[number];

/** Endpoints of a NATS service: subscribed to in one queue group only, and answered in the inboxes of the roles that may send requests. */
export interface ServedCells {
  readonly queue: string;
  readonly subjects: readonly SubjectKind[];
}

/** All that users of one role may do on the bus. A process that can do more than its row is a defect. */
export interface AccessRow {
  /** A description for the documentation. */
  readonly is: string;
  /** The user's providers: all of the deployment, some, exactly one, or none. */
  readonly providers: "every" | "some" | "one" | "none";
  readonly publishes: readonly SubjectKind[];
  /** Reserved intents: the keyring grants their subkeys in addition to those of the user's own intents. */
  readonly reservedIntents?: readonly string[];
  /** Plain subscriptions, outside any queue group. */
  readonly subscribes: readonly SubjectKind[];
  readonly serves?: ServedCells;
  /** The account with JetStream in which it keeps state, over a connection and a user of its own. */
  readonly keeps?: StoreAccount;
  /** Asks every service for its presence, description and statistics (`$SRV`). */
  readonly inspects?: true;
}

export type AccessTable = Readonly<Record<Role, AccessRow>>;

/**
 * The permissions of each role. The server's configuration, the keyring's list of users and docs/access.md are made from this table.
 * It has no rows for what does not exist.
 */
export const ACCESS: AccessTable = {
  keyring: {
    is: "The only process that calls KMS; grants subkeys.",
    providers: "every",
    publishes: ["ring"],
    subscribes: ["ring"],
    serves: { queue: QUEUES.keyring, subjects: ["grant", "ringGet"] },
    keeps: "keyring",
  },
  envelope: {
    is: "Seals and opens for callers in any language.",
    providers: "every",
    publishes: [
      "grant",
      "ringGet",
      "admit",
      "epochGet",
      "controlLease",
      "controlGet",
      "trustGet",
      "trustLast",
    ],
    reservedIntents: [OPENING_TOKEN_INTENT],
    subscribes: ["ring", "epoch", "controlState", "trustState"],
    serves: {
      queue: QUEUES.envelope,
      subjects: ["sealRequest", "openRequest", "sealResponse", "openResponse"],
    },
  },
  "replay-guard": {
    is: "Finds replayed requests; owns the replay epoch and the reports of nonce reuse.",
    providers: "every",
    publishes: ["epoch", "nonceReuse"],
    subscribes: ["ring", "epoch"],
    serves: { queue: QUEUES.replayGuard, subjects: ["admit", "epochGet", "securityRead"] },
    keeps: "replay",
  },
  "rollback-controller": {
    is: "Flags, kill switch, canary and rollback: signs the control document that every verifier obeys.",
    providers: "every",
    publishes: ["controlState", "securityRead", "trustGet", "trustWord"],
    subscribes: ["ring", "controlState", "nonceReuse", "trustState"],
    serves: {
      queue: QUEUES.controller,
      subjects: ["controlLease", "controlGet", "auditRead", "trustLast"],
    },
    keeps: "control",
  },
  "trust-scorer": {
    is: "Computes the trust in each provider from the outcomes of its requests.",
    providers: "every",
    publishes: ["trustState", "securityRead"],
    subscribes: ["ring"],
    serves: { queue: QUEUES.trustScorer, subjects: ["trustTell", "trustWord", "trustGet"] },
    keeps: "trust",
  },
  orchestrator: {
    is: "Sends requests to its providers, sealed by itself or by the envelope service.",
    providers: "some",
    publishes: [
      "request",
      "cancel",
      "grant",
      "ringGet",
      "epochGet",
      "sealRequest",
      "openResponse",
      "controlLease",
      "controlGet",
      "trustTell",
      "trustGet",
      "trustLast",
    ],
    subscribes: ["ring", "epoch", "controlState", "trustState"],
  },
  gateway: {
    is: "Opens the requests to one provider, calls it, and seals its responses.",
    providers: "one",
    publishes: [
      "grant",
      "ringGet",
      "admit",
      "openRequest",
      "sealResponse",
      "controlLease",
      "controlGet",
      "trustGet",
      "trustLast",
    ],
    subscribes: ["ring", "cancel", "controlState", "trustState"],
    serves: { queue: QUEUES.gateways, subjects: ["request"] },
  },
  operator: {
    is: "A person with the `nats` CLI, or with `scbe-kill-switch.sh --offline`.",
    providers: "none",
    publishes: ["controlState", "controlGet", "auditRead", "securityRead"],
    subscribes: [],
    serves: { queue: QUEUES.operator, subjects: ["controlGet"] },
    inspects: true,
  },
};

/**
 * The table of a deployment with fallback (`SCBE_FALLBACK=allow`): requests that the control document sends to fallback travel
 * unsealed, to the same gateways. Without it the server refuses that subject to all users.
 */
export const ACCESS_WITH_FALLBACK: AccessTable = {
  ...ACCESS,
  orchestrator: { ...ACCESS.orchestrator, publishes: [...ACCESS.orchestrator.publishes, "fallback"] },
  gateway: { ...ACCESS.gateway, serves: { queue: QUEUES.gateways, subjects: ["request", "fallback"] } },
};
