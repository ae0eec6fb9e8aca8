import type { Environment } from "../names.ts";
import { BUCKETS, KV_KEYS, patternOf, STREAMS } from "../subjects.ts";
import { STORE_ACCOUNTS, type StoreAccount } from "./access-table.ts";
import type { Permissions } from "./permissions.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A KV bucket: in file storage, a history of values for each of its keys. */
export interface BucketStore {
  readonly kind: "bucket";
  readonly account: StoreAccount;
  readonly is: string;
  readonly bucket: string;
  /** The stream behind the bucket. */
  readonly stream: string;
  /** Its keys; the offline user of the control bucket has only the first. */
  readonly keys: readonly [string, ...string[]];
  readonly maxBytes: number;
  readonly maxValueBytes: number;
}

/** A stream of events: in file storage, append-only; the oldest are dropped at either bound. */
export interface EventStore {
  readonly kind: "events";
  readonly account: StoreAccount;
  readonly is: string;
  readonly stream: string;
  readonly subjects: readonly string[];
  readonly maxBytes: number;
  readonly maxMessageBytes: number;
  /** How many of the newest messages of each subject are kept: a flood of one provider must not drop those of another. */
  readonly messagesPerSubjectMax: number;
  readonly maxAgeMs: number;
  /** How long a repeated message id is dropped. */
  readonly duplicateWindowMs: number;
}

export type Store = BucketStore | EventStore;

/** Every bucket and stream. Provisioning creates them; services wait for them. */
export const STORES = {
  keyring: {
    kind: "bucket",
    account: "keyring",
    is: "the ring of wrapped data keys",
    bucket: BUCKETS.keyring,
    stream: `KV_${BUCKETS.keyring}`,
    keys: [KV_KEYS.ring],
    maxBytes: 4 * MIB,
    maxValueBytes: 256 * KIB,
  },
  replay: {
    kind: "bucket",
    account: "replay",
    is: "the record of the replay epoch",
    bucket: BUCKETS.replay,
    stream: `KV_${BUCKETS.replay}`,
    keys: [KV_KEYS.epoch],
    maxBytes: MIB,
    maxValueBytes: 16 * KIB,
  },
  control: {
    kind: "bucket",
    account: "control",
    is: "the control document, the leader, the canary, the processed alerts, the trust overrides that wait for a scorer, and the verifiers of the last minutes",
    bucket: BUCKETS.control,
    stream: `KV_${BUCKETS.control}`,
    keys: [
      KV_KEYS.control,
      KV_KEYS.leader,
      KV_KEYS.canary,
      KV_KEYS.acted,
      KV_KEYS.trustOverrides,
      KV_KEYS.verifiers,
    ],
    maxBytes: 16 * MIB,
    maxValueBytes: 512 * KIB,
  },
  trust: {
    kind: "bucket",
    account: "trust",
    is: "the trust in each provider, and the leading scorer",
    bucket: BUCKETS.trust,
    stream: `KV_${BUCKETS.trust}`,
    keys: [KV_KEYS.trust, KV_KEYS.trustState, KV_KEYS.leader, KV_KEYS.trustRelay],
    maxBytes: 16 * MIB,
    maxValueBytes: MIB,
  },
  security: {
    kind: "events",
    account: "replay",
    is: "nonce reuses that the replay guards saw",
    stream: STREAMS.security,
    subjects: [patternOf("nonceReuse")],
    maxBytes: 64 * MIB,
    maxMessageBytes: 16 * KIB,
    messagesPerSubjectMax: 2000,
    maxAgeMs: 90 * DAY_MS,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  audit: {
    kind: "events",
    account: "control",
    is: "the audit of the control plane: actor, change, time and reason, each entry chained to the one before",
    stream: STREAMS.audit,
    subjects: [patternOf("audit")],
    maxBytes: 256 * MIB,
    maxMessageBytes: 128 * KIB,
    messagesPerSubjectMax: -1,
    maxAgeMs: 0,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  trustEvents: {
    kind: "events",
    account: "trust",
    is: "the outcomes of requests by provider, and the trust overrides",
    stream: STREAMS.trustEvents,
    subjects: [patternOf("outcome"), patternOf("trustReuse"), patternOf("trustWord")],
    maxBytes: 256 * MIB,
    maxMessageBytes: 4 * KIB,
    messagesPerSubjectMax: 100_000,
    maxAgeMs: 7 * DAY_MS,
    duplicateWindowMs: 2 * MINUTE_MS,
  },
} as const satisfies Record<keyof typeof BUCKETS, BucketStore> & Record<keyof typeof STREAMS, EventStore>;

/** How many values of each key a bucket keeps, so that an unreadable one has readable ones before it. */
export const BUCKET_HISTORY = 5;

/** The stores, or those of one account, in the order of their creation. */
export function allStores(account?: StoreAccount): readonly Store[] {
  return Object.values(STORES).filter((store) => account === undefined || store.account === account);
}

/**
 * The users of a store's account: `store` for the replicas of its service, `provision` for creating its buckets and streams, and, only in the
 * control account, `offline` for an operator's kill switch without a controller.
 */
export const STORE_ROLES = ["store", "provision", "offline"] as const;
export type StoreRole = (typeof STORE_ROLES)[number];

/** A user of one store's account, before it has an nkey. */
export interface StoreUser {
  /** `<account>.<role>`: no user of the bus has a dot in its name. */
  readonly name: string;
  readonly account: StoreAccount;
  readonly role: StoreRole;
}

/** All users of all stores' accounts. */
export function storeUsers(): readonly StoreUser[] {
  return STORE_ACCOUNTS.flatMap((account) => {
    const roles = STORE_ROLES.filter((role) => role !== "offline" || account === "control");
    return roles.map((role) => ({ name: `${account}.${role}`, account, role }));
  });
}

/** The inbox of a store's user, in its own account. */
export function storeInboxPrefix({ account, role }: Pick<StoreUser, "account" | "role">): string {
  return `_INBOX.${account}.${role}`;
}

/**
 * The permissions of a user of a store's account. These lists limit mistakes, not attackers: a user with any right to JetStream's API can
 * have an answer published anywhere in the account.
 */
export function storePermissionsOf(user: StoreUser): Permissions {
  const stores = allStores(user.account);
  const publish = {
    store: () => stores.flatMap(publishedByOwner),
    provision: () => stores.flatMap(({ stream }) => publishedByProvisioner(stream)),
    offline: () => publishedOffline(STORES.control),
  }[user.role]();
  return { publish, subscribe: [`${storeInboxPrefix(user)}.>`] };
}

function publishedByOwner(store: Store): string[] {
  const { stream } = store;
  if (store.kind === "events")
    return [...store.subjects, `$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`];
  // To bind, read, compare-and-set and watch each key; without `$JS.FC` a watch stalls silently.
  const ofKeys = store.keys.flatMap((key) => {
    const subject = `$KV.${store.bucket}.${key}`;
    return [
      subject,
      `$JS.API.DIRECT.GET.${stream}.${subject}`,
      `$JS.API.CONSUMER.CREATE.${stream}.*.${subject}`,
    ];
  });
  return [
    ...ofKeys,
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

function publishedByProvisioner(stream: string): string[] {
  return ["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`);
}

/** Only the control document, and the values before it in case it is unreadable. */
function publishedOffline({ stream, bucket, keys: [key] }: BucketStore): string[] {
  return [
    `$JS.API.DIRECT.GET.${stream}.$KV.${bucket}.${key}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$KV.${bucket}.${key}`,
  ];
}

/** An account of a deployment. */
export interface Account {
  readonly name: string;
  /** Absent for the bus, which has no JetStream. */
  readonly store?: StoreAccount;
  readonly jetstream?: JetStreamLimits;
}

/** All stores are in files; no stream is in memory. */
export interface JetStreamLimits {
  readonly streams: number;
  readonly consumers: number;
}

/** Enough for the watches of all replicas of one service, and for those that a broken link left behind. */
const CONSUMERS_MAX = 256;

/** The accounts of an environment: the bus, then one for each service with state. */
export function accountsOf(env: Environment): readonly Account[] {
  const stores = STORE_ACCOUNTS.map((store) => ({
    name: storeAccount(env, store),
    store,
    jetstream: { streams: allStores(store).length, consumers: CONSUMERS_MAX },
  }));
  return [{ name: busAccount(env) }, ...stores];
}

export function busAccount(env: Environment): string {
  return `SCBE_${env.toUpperCase()}`;
}

export function storeAccount(env: Environment, account: StoreAccount): string {
  return `${busAccount(env)}_${account.toUpperCase()}`;
}
