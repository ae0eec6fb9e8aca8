import { z } from "zod";
import { ACTOR_MAX, CONTROL_PROVIDERS_MAX, REASON_MAX, RequestId } from "./control.ts";
import { Name } from "./names.ts";
import { NonceReuseEvent } from "./security.ts";

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

const Time = z.int().min(0);
const Count = z.int().min(0);
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

export const OutcomeEvent = z
  .strictObject({
    ...COMMON,
    kind: z.literal("outcome"),
    id: z.uuid(),
    /** Where it is about one request. */
    request_id: RequestId.optional(),
    result: z.enum(OUTCOME_RESULTS),
    /** How many of that result there were, one after the other and nothing else between them. */
    count: z.int().min(1).max(OUTCOMES_MAX).default(1),
    /** From sending the request, the first of several, until the client knew, the last of several. */
    latency_ms: z.int().min(0).max(LATENCY_MS_MAX),
  })
  .refine(({ result, count }) => result === "ok" || count === 1, "only successes can be told together");
export type OutcomeEvent = z.infer<typeof OutcomeEvent>;

export const IntegrityEvent = z.strictObject({
  ...COMMON,
  kind: z.literal("integrity"),
  id: EventId,
  /** Where it is about one request. */
  request_id: RequestId.optional(),
  cause: z.enum(INTEGRITY_CAUSES),
});
export type IntegrityEvent = z.infer<typeof IntegrityEvent>;

/** A person sets the quality of a provider. */
export const CalibrationEvent = z.strictObject({
  ...COMMON,
  kind: z.literal("calibration"),
  id: z.uuid(),
  score: Score,
  reason: Reason,
  by: Actor,
});
export type CalibrationEvent = z.infer<typeof CalibrationEvent>;

/** A person clears the latch of a provider: the one that he has seen, and no newer one. */
export const ClearingEvent = z.strictObject({
  ...COMMON,
  kind: z.literal("clearing"),
  id: z.uuid(),
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

/** What is known of one provider. Times are the stream's, in ms since the Unix epoch. */
export const ProviderTrust = z.strictObject({
  /** Evidence against its quality, from 0 up. */
  w: z.number().min(0),
  /** Outcomes that went into it. */
  samples: Count,
  /** How often it was excluded since a person last vouched for it. */
  exclusions: Count,
  /** The last exclusion; it stays here when it is over, since the way back is measured from it. */
  exclusion: z
    .strictObject({
      since: Time,
      /** `null`: until a person says otherwise. */
      until: Time.nullable(),
    })
    .nullable(),
  /** Stands until a named person clears it. */
  latch: z
    .strictObject({
      cause: z.enum(TRUST_SIGNALS),
      since: Time,
      /** The newest event that says so. */
      event: EventId,
    })
    .nullable(),
  /** The last word of a person. */
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
