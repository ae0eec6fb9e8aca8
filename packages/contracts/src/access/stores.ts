import { BUCKETS, KV_KEYS, STREAMS, SUBJECTS } from "../subjects.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A KV bucket: in file storage, one value for its one key. */
export interface BucketStore {
  readonly kind: "bucket";
  readonly is: string;
  readonly bucket: string;
  /** The stream behind the bucket. */
  readonly stream: string;
  /** Its one key. */
  readonly key: string;
  readonly maxBytes: number;
  readonly maxValueBytes: number;
}

/** A stream of events: in file storage, append-only, the oldest dropped at either bound. */
export interface EventStore {
  readonly kind: "events";
  readonly is: string;
  readonly stream: string;
  readonly subject: string;
  readonly maxBytes: number;
  readonly maxMessageBytes: number;
  /** The newest of each provider that are kept: a flood of one must not push out what is known of another. */
  readonly messagesPerProviderMax: number;
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
    key: KV_KEYS.ring,
    maxBytes: 4 * MIB,
    maxValueBytes: 256 * KIB,
  },
  replay: {
    kind: "bucket",
    is: "the record of the replay epoch",
    bucket: BUCKETS.replay,
    stream: `KV_${BUCKETS.replay}`,
    key: KV_KEYS.epoch,
    maxBytes: MIB,
    maxValueBytes: 16 * KIB,
  },
  security: {
    kind: "events",
    is: "reuses of a nonce, as the replay guard saw them",
    stream: STREAMS.security,
    subject: `${SUBJECTS.nonceReuse}.*`,
    maxBytes: 64 * MIB,
    maxMessageBytes: 16 * KIB,
    messagesPerProviderMax: 2000,
    maxAgeMs: 90 * DAY_MS,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
} as const satisfies Record<keyof typeof BUCKETS, BucketStore> & Record<keyof typeof STREAMS, EventStore>;

/** The stores, in the order in which they are made. */
export function allStores(): readonly Store[] {
  return Object.values(STORES);
}
