import { BUCKETS, KV_KEYS, STREAMS, SUBJECTS } from "../subjects.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A KV bucket: in file storage, one value for each of its keys. */
export interface BucketStore {
  readonly kind: "bucket";
  readonly is: string;
  readonly bucket: string;
  /** The stream behind the bucket. */
  readonly stream: string;
  /** Its keys; those who only look something up read the first. */
  readonly keys: readonly [string, ...string[]];
  readonly maxBytes: number;
  readonly maxValueBytes: number;
}

/** A stream of events: in file storage, append-only, the oldest dropped at either bound. */
export interface EventStore {
  readonly kind: "events";
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
    is: "the ring of wrapped data keys",
    bucket: BUCKETS.keyring,
    stream: `KV_${BUCKETS.keyring}`,
    keys: [KV_KEYS.ring],
    maxBytes: 4 * MIB,
    maxValueBytes: 256 * KIB,
  },
  replay: {
    kind: "bucket",
    is: "the record of the replay epoch",
    bucket: BUCKETS.replay,
    stream: `KV_${BUCKETS.replay}`,
    keys: [KV_KEYS.epoch],
    maxBytes: MIB,
    maxValueBytes: 16 * KIB,
  },
  control: {
    kind: "bucket",
    is: "the control document, who leads, and the canary",
    bucket: BUCKETS.control,
    stream: `KV_${BUCKETS.control}`,
    keys: [KV_KEYS.control, KV_KEYS.leader, KV_KEYS.canary, KV_KEYS.acted],
    maxBytes: 16 * MIB,
    maxValueBytes: 512 * KIB,
  },
  trust: {
    kind: "bucket",
    is: "how far each provider is trusted, and who of the scorers leads",
    bucket: BUCKETS.trust,
    stream: `KV_${BUCKETS.trust}`,
    keys: [KV_KEYS.trust, KV_KEYS.trustState, KV_KEYS.leader, KV_KEYS.trustRelay],
    maxBytes: 16 * MIB,
    maxValueBytes: 768 * KIB,
  },
  security: {
    kind: "events",
    is: "reuses of a nonce, as the replay guard saw them",
    stream: STREAMS.security,
    subjects: [`${SUBJECTS.nonceReuse}.*`],
    maxBytes: 64 * MIB,
    maxMessageBytes: 16 * KIB,
    messagesPerSubjectMax: 2000,
    maxAgeMs: 90 * DAY_MS,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  audit: {
    kind: "events",
    is: "who changed what of the control plane, when and why, each entry chained to the one before",
    stream: STREAMS.audit,
    subjects: [SUBJECTS.audit],
    maxBytes: 256 * MIB,
    maxMessageBytes: 128 * KIB,
    messagesPerSubjectMax: -1,
    maxAgeMs: 0,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  trustEvents: {
    kind: "events",
    is: "what requests came to, provider by provider, and what persons say of them",
    stream: STREAMS.trustEvents,
    subjects: [`${SUBJECTS.outcome}.*`, `${SUBJECTS.trustReuse}.*`, SUBJECTS.trustWord],
    maxBytes: 256 * MIB,
    maxMessageBytes: 4 * KIB,
    messagesPerSubjectMax: 100_000,
    maxAgeMs: 7 * DAY_MS,
    duplicateWindowMs: 2 * MINUTE_MS,
  },
} as const satisfies Record<keyof typeof BUCKETS, BucketStore> & Record<keyof typeof STREAMS, EventStore>;

/** The stores, in the order in which they are made. */
export function allStores(): readonly Store[] {
  return Object.values(STORES);
}
