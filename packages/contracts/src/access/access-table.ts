import { type BUCKETS, QUEUES, type STREAMS, type SUBJECTS } from "../subjects.ts";

/** The kinds of users that the bus knows. */
export const ROLES = [
  "keyring",
  "envelope",
  "replay-guard",
  "rollback-controller",
  "trust-scorer",
  "orchestrator",
  "gateway",
  "provision",
  "operator",
] as const;
export type Role = (typeof ROLES)[number];

/** A subject by its name in {@link SUBJECTS}. */
export type SubjectKind = keyof typeof SUBJECTS;

/** Endpoints of a NATS service: subscribed to in one queue group only, answered in the inboxes of those who may ask. */
export interface ServedCells {
  readonly queue: string;
  readonly subjects: readonly SubjectKind[];
}

/** All that the users of one role may do on the bus. A process that can do more than its row is a defect. */
export interface AccessRow {
  /** What such a user is, for the documentation. */
  readonly is: string;
  /** The user's providers: all of the deployment, some of them, exactly one, or none at all. */
  readonly providers: "every" | "some" | "one" | "none";
  readonly publishes: readonly SubjectKind[];
  /** Plain subscriptions, outside any queue group. */
  readonly subscribes: readonly SubjectKind[];
  readonly serves?: ServedCells;
  /** The KV bucket whose keys it reads, writes and watches. Nobody else can write there. */
  readonly owns?: keyof typeof BUCKETS;
  /** KV buckets whose first key it reads. */
  readonly looksUp?: readonly (keyof typeof BUCKETS)[];
  /** A KV bucket whose first key it writes. */
  readonly puts?: keyof typeof BUCKETS;
  /** Streams whose messages it reads one at a time, without a consumer. */
  readonly reads?: readonly (keyof typeof STREAMS)[];
  /**
   * Creates and updates every bucket and stream. It has no right to read or write in them, but could have a stream record
   * any subject: who has its seed is trusted like the server's operator.
   */
  readonly provisions?: true;
  /** Asks every service for its presence, description and statistics (`$SRV`). */
  readonly inspects?: true;
}

export type AccessTable = Readonly<Record<Role, AccessRow>>;

/**
 * Who may do what. The server's configuration, the keyring's list of askers and docs/access.md are made from this table,
 * and it has rows only for what exists.
 */
export const ACCESS: AccessTable = {
  keyring: {
    is: "The only process that talks to KMS; hands out subkeys.",
    providers: "every",
    publishes: ["ring"],
    subscribes: ["ring"],
    serves: { queue: QUEUES.keyring, subjects: ["grant"] },
    owns: "keyring",
  },
  envelope: {
    is: "Seals and opens for callers in any language.",
    providers: "every",
    publishes: ["grant", "admit", "epochGet", "controlLease"],
    subscribes: ["ring", "epoch", "controlState", "trustState"],
    looksUp: ["control", "trust"],
    serves: {
      queue: QUEUES.envelope,
      subjects: ["sealRequest", "openRequest", "sealResponse", "openResponse"],
    },
  },
  "replay-guard": {
    is: "Decides what was seen before; owns the replay epoch.",
    providers: "every",
    publishes: ["epoch", "nonceReuse"],
    subscribes: ["ring", "epoch"],
    serves: { queue: QUEUES.replayGuard, subjects: ["admit", "epochGet"] },
    owns: "replay",
  },
  "rollback-controller": {
    is: "Flags, kill switch, canary and rollback: signs what every verifier obeys.",
    providers: "every",
    publishes: ["controlState", "audit", "trustWord"],
    subscribes: ["ring", "controlState", "nonceReuse", "trustState"],
    serves: { queue: QUEUES.controller, subjects: ["controlLease"] },
    owns: "control",
    looksUp: ["trust"],
    reads: ["security", "audit"],
  },
  "trust-scorer": {
    is: "Says how far each provider is trusted, by what its requests came to.",
    providers: "every",
    publishes: ["outcome", "trustReuse", "trustState"],
    subscribes: ["ring"],
    serves: { queue: QUEUES.trustScorer, subjects: ["trustTell"] },
    owns: "trust",
    reads: ["security", "trustEvents"],
  },
  orchestrator: {
    is: "Sends requests to its providers, sealed by itself or by the envelope service.",
    providers: "some",
    publishes: [
      "request",
      "cancel",
      "grant",
      "epochGet",
      "sealRequest",
      "openResponse",
      "controlLease",
      "trustTell",
    ],
    subscribes: ["ring", "epoch", "controlState", "trustState"],
    looksUp: ["control", "trust"],
  },
  gateway: {
    is: "Opens the requests to one provider, calls it, and seals its responses.",
    providers: "one",
    publishes: ["grant", "admit", "openRequest", "sealResponse", "controlLease"],
    subscribes: ["ring", "cancel", "controlState", "trustState"],
    looksUp: ["control", "trust"],
    serves: { queue: QUEUES.gateways, subjects: ["request"] },
  },
  provision: {
    is: "Creates and updates the buckets and streams, then leaves.",
    providers: "none",
    publishes: [],
    subscribes: [],
    provisions: true,
  },
  operator: {
    is: "A person with the `nats` CLI, or with `scbe-kill-switch.sh --offline`.",
    providers: "none",
    publishes: ["controlState"],
    subscribes: [],
    looksUp: ["control"],
    puts: "control",
    reads: ["security", "audit"],
    inspects: true,
  },
};

/**
 * The table of a deployment that permits fallback (`SCBE_FALLBACK=allow`): what the control document takes out of SCBE's path
 * travels unsealed, to the same gateways. Without it the server refuses that subject to everybody.
 */
export const ACCESS_WITH_FALLBACK: AccessTable = {
  ...ACCESS,
  orchestrator: { ...ACCESS.orchestrator, publishes: [...ACCESS.orchestrator.publishes, "fallback"] },
  gateway: { ...ACCESS.gateway, serves: { queue: QUEUES.gateways, subjects: ["request", "fallback"] } },
};
