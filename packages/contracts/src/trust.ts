import { z } from "zod";
import { ACTOR_MAX, CONTROL_PROVIDERS_MAX, REASON_MAX, RequestId } from "./control.ts";
import { INTEGER_MAX, Time } from "./integers.ts";
import { Name } from "./names.ts";
import { NonceReuseEvent } from "./security.ts";

/** Bytes of a calibration or clearing, as the trust scorer takes them in one message. */
export const TRUST_OVERRIDE_BYTES_MAX = 4096;
/** Ids of the newest events that a trust scorer remembers, of each teller and provider. The stream drops a second message of the same id for minutes, before this. */
export const RECENT_IDS_MAX = 96;
/** Words about trust that wait for a scorer. Fewer than {@link RECENT_IDS_MAX}: a word that is delivered again after all others still counts once. */
export const PENDING_OVERRIDES_MAX = 64;

/** What became of one request at one provider, as its client saw it. */
export const OUTCOME_RESULTS = [
  "ok",
  /** the gateway opened the request, and its handler failed */
  "provider_error",
  "timeout",
  "no_responders",
  "busy",
  /** noise */
  "refused",
  /** noise once more, to a fresh envelope under the current epoch */
  "refused_again",
  /** an answer that verified and cannot be right: no body */
  "empty",
  /** of another media type than the one that was asked for */
  "media_type",
  /** of another schema */
  "schema",
  /** of an absurd size */
  "size",
  /** after an absurd time */
  "latency",
] as const;
export type OutcomeResult = (typeof OUTCOME_RESULTS)[number];

/** What only a holder of the provider's keys can cause, so that it says something about the provider whoever else is on the bus. */
export const INTEGRITY_CAUSES = [
  /** in the asker's own inbox, a well-formed envelope that is bound to this request fails to open */
  "bound_response_fails",
  /** as the replay guard saw it */
  "nonce_reuse",
] as const;
export type IntegrityCause = (typeof INTEGRITY_CAUSES)[number];

/** Everything that moves trust by itself; what it weighs is the scorer's to say. */
export const TRUST_SIGNALS = [...OUTCOME_RESULTS, ...INTEGRITY_CAUSES] as const;
export type TrustSignal = (typeof TRUST_SIGNALS)[number];

/** Successes that one event can tell of. */
export const OUTCOMES_MAX = 10_000;
/** Longest time that an outcome can have taken. */
const LATENCY_MS_MAX = 3_600_000;

const Count = z.int().min(0).max(INTEGER_MAX);
const EventId = NonceReuseEvent.shape.id;
const Score = z.number().min(0).max(1);
const Reason = z.string().min(1).max(REASON_MAX);
const Actor = z.string().min(1).max(ACTOR_MAX);

const COMMON = {
  v: z.literal(1),
  provider: Name,
  /** By the sender's clock, in ms since the Unix epoch: for people. Nothing is decided by it. */
  at: Time,
};

const TOLD = {
  ...COMMON,
  id: RequestId,
  /** Where it is about one request. */
  request_id: RequestId.optional(),
};
const TOLD_OUTCOME = {
  ...TOLD,
  kind: z.literal("outcome"),
  result: z.enum(OUTCOME_RESULTS),
  /** How many of that result there were, one after the other and nothing else between them. */
  count: z.int().min(1).max(OUTCOMES_MAX),
  /** From sending the request, the first of several, until the client knew, the last of several. */
  latency_ms: z.int().min(0).max(LATENCY_MS_MAX),
};
const TOLD_INTEGRITY = {
  ...TOLD,
  kind: z.literal("integrity"),
  cause: z.literal("bound_response_fails"),
};
/** The bus user that told it. The scorer takes it from the subject, which the server binds to the user. */
const TELLER = { teller: Name };

const isCountable = ({ result, count }: { readonly result: OutcomeResult; readonly count: number }) =>
  result === "ok" || count === 1;
const ONLY_SUCCESSES = "only successes can be told together";

/** What a client can tell of a provider. It cannot say for which user it tells. */
export const ReportedEvent = z.discriminatedUnion("kind", [
  z.strictObject(TOLD_OUTCOME).refine(isCountable, ONLY_SUCCESSES),
  z.strictObject(TOLD_INTEGRITY),
]);
export type ReportedEvent = z.infer<typeof ReportedEvent>;

/** An outcome as the trust stream has it. */
export const OutcomeEvent = z
  .strictObject({ ...TOLD_OUTCOME, ...TELLER })
  .refine(isCountable, ONLY_SUCCESSES);
export type OutcomeEvent = z.infer<typeof OutcomeEvent>;

/** A doubt of integrity as the trust stream has it: told by a client, or reported by a replay guard. */
export const IntegrityEvent = z.discriminatedUnion("cause", [
  z.strictObject({ ...TOLD_INTEGRITY, ...TELLER }),
  z.strictObject({
    ...COMMON,
    kind: z.literal("integrity"),
    cause: z.literal("nonce_reuse"),
    id: EventId,
  }),
]);
export type IntegrityEvent = z.infer<typeof IntegrityEvent>;

/** A person sets the quality of a provider. */
export const CalibrationEvent = z.strictObject({
  ...COMMON,
  kind: z.literal("calibration"),
  id: RequestId,
  score: Score,
  reason: Reason,
  by: Actor,
});
export type CalibrationEvent = z.infer<typeof CalibrationEvent>;

/** A person clears the latch of a provider: the one that he has seen, and no newer one. */
export const ClearingEvent = z.strictObject({
  ...COMMON,
  kind: z.literal("clearing"),
  id: RequestId,
  /** The event that the latch names. */
  clears: EventId,
  reason: Reason,
  by: Actor,
});
export type ClearingEvent = z.infer<typeof ClearingEvent>;

/** Whatever changes trust. A person's word is one of them, so that the stream alone says what the state is. */
export const TrustEvent = z.discriminatedUnion("kind", [
  OutcomeEvent,
  IntegrityEvent,
  CalibrationEvent,
  ClearingEvent,
]);
export type TrustEvent = z.infer<typeof TrustEvent>;

const LATCH = {
  since: Time,
  /** The newest event that says so. */
  event: EventId,
  /** The number of that event among all doubts of this provider's integrity. */
  n: Count,
};

/** What one teller's reports say of a provider. Times are the stream's, in ms since the Unix epoch. */
export const TellerTrust = z.strictObject({
  /** Evidence against its quality, from 0 up. */
  w: z.number().min(0),
  /** Outcomes that went into it. */
  samples: Count,
  /** How often this teller's evidence excluded it since a person last calibrated the provider. */
  exclusions: Count,
  /** The last exclusion; it stays here when it is over, since the way back is measured from it. */
  exclusion: z.strictObject({ since: Time, until: Time }).nullable(),
  /** An integrity failure that this teller saw; stands until a person clears it. */
  latch: z.strictObject(LATCH).nullable(),
  /** Its last report. */
  at: Time,
});
export type TellerTrust = z.infer<typeof TellerTrust>;

/** Names of tellers in the latch of a provider. */
export const LATCH_TELLERS_MAX = 8;

/** What is known of one provider. */
export const ProviderTrust = z.strictObject({
  /** What each teller reports; one that reported nothing has no row. */
  tellers: z.record(Name, TellerTrust),
  /** How many tellers must agree before what they say holds for all, and how many tellers the provider has. */
  quorum: z.strictObject({ needs: z.int().min(1).max(2), of: Count }),
  /** Doubts of its integrity so far. */
  doubts: Count,
  /** The last nonce reuse that a replay guard reported, until a person clears it. */
  reuse: z.strictObject(LATCH).nullable(),
  /** In force for all, until a named person clears it. */
  latch: z
    .strictObject({
      ...LATCH,
      cause: z.enum(INTEGRITY_CAUSES),
      /** The tellers whose reports set it; empty for a nonce reuse. */
      tellers: z.array(Name).max(LATCH_TELLERS_MAX),
    })
    .nullable(),
  /** The last word of a person, for all tellers. */
  calibration: z.strictObject({ score: Score, reason: Reason, by: Actor, at: Time }).nullable(),
});
export type ProviderTrust = z.infer<typeof ProviderTrust>;

/** How much of the stream went into something. */
export const StreamPlace = z.strictObject({
  /** When the stream was made: the numbers of another one mean nothing here. */
  created: z.string().max(64),
  /** The last message that was applied; 0: none. */
  seq: Count,
});
export type StreamPlace = z.infer<typeof StreamPlace>;

/** What all readers hold a snapshot of. A provider that is not named is trusted. */
export const TrustDocument = z.strictObject({
  v: z.literal(1),
  stream: StreamPlace,
  providers: z
    .record(Name, ProviderTrust)
    .refine((it) => Object.keys(it).length <= CONTROL_PROVIDERS_MAX, "names too many providers"),
});
export type TrustDocument = z.infer<typeof TrustDocument>;
