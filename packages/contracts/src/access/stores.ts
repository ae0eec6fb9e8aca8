import { BUCKETS, KV_KEYS, patternOf, STREAMS } from "../subjects.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/**
 * The accounts with JetStream, one for each service that keeps state; the bus's own account has none. JetStream publishes to whatever
 * reply subject a request names, with the server's rights: so no user of the bus may reach it, and within a store's account
 * the service itself is alone in there.
 */
export const STORE_ACCOUNTS = ["keyring", "replay", "control", "trust"] as const;
export type StoreAccount = (typeof STORE_ACCOUNTS)[number];

/** A KV bucket: in file storage, a history of values for each of its keys. */
export interface BucketStore {
  readonly kind: "bucket";
  readonly account: StoreAccount;
  readonly is: string;
  readonly bucket: string;
  /** The stream behind the bucket. */
  readonly stream: string;
  /** Its keys; the offline user of the control bucket has the first alone. */
  readonly keys: readonly [string, ...string[]];
  readonly maxBytes: number;
  readonly maxValueBytes: number;
}

/** A stream of events: in file storage, append-only, the oldest dropped at either bound. */
export interface EventStore {
  readonly kind: "events";
  readonly account: StoreAccount;
  readonly is: string;
  readonly stream: string;
  readonly subjects: readonly string[];
  readonly maxBytes: number;
  readonly maxMessageBytes: number;
  /** The newest of each subject that are kept: a flood of one provider must not push out what is known of another. */
  readonly messagesPerSubjectMax: number;
  readonly maxAgeMs: number;
  /** The time in which a second message of the same id is dropped. */
  readonly duplicateWindowMs: number;
}

export type Store = BucketStore | EventStore;

/** Every bucket and stream there is. Provisioning makes them; services wait until they are there. */
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
    is: "the control document, who leads, the canary, what was acted on, words about trust that wait for a scorer, and the verifiers that were heard lately",
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
    is: "how far each provider is trusted, and who of the scorers leads",
    bucket: BUCKETS.trust,
    stream: `KV_${BUCKETS.trust}`,
    keys: [KV_KEYS.trust, KV_KEYS.trustState, KV_KEYS.leader, KV_KEYS.trustRelay],
    maxBytes: 16 * MIB,
    maxValueBytes: MIB,
  },
  security: {
    kind: "events",
    account: "replay",
    is: "reuses of a nonce, as the replay guard saw them",
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
    is: "who changed what of the control plane, when and why, each entry chained to the one before",
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
    is: "what requests came to, provider by provider, and what persons say of them",
    stream: STREAMS.trustEvents,
    subjects: [patternOf("outcome"), patternOf("trustReuse"), patternOf("trustWord")],
    maxBytes: 256 * MIB,
    maxMessageBytes: 4 * KIB,
    messagesPerSubjectMax: 100_000,
    maxAgeMs: 7 * DAY_MS,
    duplicateWindowMs: 2 * MINUTE_MS,
  },
} as const satisfies Record<keyof typeof BUCKETS, BucketStore> & Record<keyof typeof STREAMS, EventStore>;

/** Values of each key that a bucket keeps, so that one that cannot be read has readable ones before it. */
export const BUCKET_HISTORY = 5;

/** The stores, or those of one account, in the order in which they are made. */
export function allStores(account?: StoreAccount): readonly Store[] {
  return Object.values(STORES).filter((store) => account === undefined || store.account === account);
}
