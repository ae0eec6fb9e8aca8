import { z } from "zod";
import { ACTOR_MAX, REASON_MAX, RequestId } from "./control.ts";
import { INTEGER_MAX, Time } from "./message.ts";
import { ENVIRONMENTS, Name } from "./names.ts";

/** Longest event of a nonce reuse, in bytes. */
export const NONCE_REUSE_BYTES_MAX = 1024;

/** Event on `scbe.v1.security.nonce_reuse.<provider>`: two different envelopes under one (session, counter). */
export const NonceReuseEvent = z.strictObject({
  v: z.literal(1),
  /** Deduplication id: the same reuse reported twice is one event. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/),
  env: z.enum(ENVIRONMENTS),
  provider: Name,
  /** base64url of the first 8 bytes of SHA-256(session_id): enough to correlate, useless to an attacker. */
  session: z.string().max(64),
  counter: z.int(),
  seen_at: z.int(),
});
export type NonceReuseEvent = z.infer<typeof NonceReuseEvent>;

/** Longest message with a calibration or clearing, in bytes. */
export const TRUST_OVERRIDE_BYTES_MAX = 4096;
/** How many ids of newest events a trust scorer remembers for each teller and provider. Before that the stream drops a repeated id for minutes. */
export const RECENT_IDS_MAX = 96;
/** How many trust overrides can wait for a scorer. Fewer than {@link RECENT_IDS_MAX}, so that one delivered again after all others still counts once. */
export const PENDING_OVERRIDES_MAX = 64;

/** The result of one request at one provider, as its client saw it. */
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
  /** a verified answer that cannot be right: no body */
  "empty",
  /** of another media type than requested */
  "media_type",
  /** of another schema */
  "schema",
  /** of an absurd size */
  "size",
  /** after an absurd time */
  "latency",
] as const;
export type OutcomeResult = (typeof OUTCOME_RESULTS)[number];

/** Failures that only a holder of the provider's keys can cause, so that they indict the provider whatever else is on the bus. */
export const INTEGRITY_CAUSES = [
  /** a well-formed envelope in the requester's own inbox that is bound to this request fails to open */
  "bound_response_fails",
  /** reported by a replay guard */
  "nonce_reuse",
] as const;
export type IntegrityCause = (typeof INTEGRITY_CAUSES)[number];

/** Everything that moves trust by itself; the scorer decides its weight. */
export const TRUST_SIGNALS = [...OUTCOME_RESULTS, ...INTEGRITY_CAUSES] as const;
export type TrustSignal = (typeof TRUST_SIGNALS)[number];

/** How many successes one event can report. */
export const OUTCOMES_MAX = 10_000;
/** The longest latency of an outcome. */
const LATENCY_MS_MAX = 3_600_000;

const EventId = NonceReuseEvent.shape.id;
const Score = z.number().min(0).max(1);
const Reason = z.string().min(1).max(REASON_MAX);
const Actor = z.string().min(1).max(ACTOR_MAX);

const COMMON = {
  v: z.literal(1),
  provider: Name,
  /** By the sender's clock, in ms since the Unix epoch: for people; no decision depends on it. */
  at: Time,
};

const REPORTED = {
  ...COMMON,
  id: RequestId,
  /** The request, if it is about one. */
  request_id: RequestId.optional(),
};
const REPORTED_OUTCOME = {
  ...REPORTED,
  kind: z.literal("outcome"),
  result: z.enum(OUTCOME_RESULTS),
  /** How many results of that kind came in a row. */
  count: z.int().min(1).max(OUTCOMES_MAX),
  /** From sending the (first) request until the (last) result was known. */
  latency_ms: z.int().min(0).max(LATENCY_MS_MAX),
};
const REPORTED_INTEGRITY = {
  ...REPORTED,
  kind: z.literal("integrity"),
  cause: z.literal("bound_response_fails"),
};
/** The bus user that reported it. The scorer takes it from the subject, which the server binds to the user. */
const TELLER = { teller: Name };

const isCountable = ({ result, count }: { readonly result: OutcomeResult; readonly count: number }) =>
  result === "ok" || count === 1;
const ONLY_SUCCESSES = "only successes can be reported together";

/** What a client can report about a provider. It cannot choose the reporting user. */
export const ReportedEvent = z.discriminatedUnion("kind", [
  z.strictObject(REPORTED_OUTCOME).refine(isCountable, ONLY_SUCCESSES),
  z.strictObject(REPORTED_INTEGRITY),
]);
export type ReportedEvent = z.infer<typeof ReportedEvent>;

/** An outcome as the trust stream has it. */
export const OutcomeEvent = z
  .strictObject({ ...REPORTED_OUTCOME, ...TELLER })
  .refine(isCountable, ONLY_SUCCESSES);
export type OutcomeEvent = z.infer<typeof OutcomeEvent>;

/** An integrity failure as the trust stream has it: reported by a client or by a replay guard. */
export const IntegrityEvent = z.discriminatedUnion("cause", [
  z.strictObject({ ...REPORTED_INTEGRITY, ...TELLER }),
  z.strictObject({
    ...COMMON,
    kind: z.literal("integrity"),
    cause: z.literal("nonce_reuse"),
    id: EventId,
  }),
]);
export type IntegrityEvent = z.infer<typeof IntegrityEvent>;

/** An operator sets the quality of a provider. */
export const CalibrationEvent = z.strictObject({
  ...COMMON,
  kind: z.literal("calibration"),
  id: RequestId,
  score: Score,
  reason: Reason,
  by: Actor,
});
export type CalibrationEvent = z.infer<typeof CalibrationEvent>;

/** An operator clears the latch of a provider: the one that is named, and no newer one. */
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

/** Everything that changes trust. Overrides are among them, so that the stream alone determines the state. */
export const TrustEvent = z.discriminatedUnion("kind", [
  OutcomeEvent,
  IntegrityEvent,
  CalibrationEvent,
  ClearingEvent,
]);
export type TrustEvent = z.infer<typeof TrustEvent>;

/** How many events one report can hold. */
export const TOLD_MAX = 256;
/** Longest report, in bytes. */
export const OUTCOME_REPORT_BYTES_MAX = 262_144;

/**
 * A client's report to the trust scorer about one provider, in order of time. The answer, an {@link OutcomeReceipt}, comes when all of it is
 * stored; a report that is sent again under the same ids counts once.
 */
export const OutcomeReport = z.strictObject({
  v: z.literal(1),
  events: z.array(ReportedEvent).min(1).max(TOLD_MAX),
});
export type OutcomeReport = z.infer<typeof OutcomeReport>;

/** Answer to `scbe.v1.trust.word.<user>`, a calibration or a clearing: its number in the trust stream. */
export const TrustOverrideAnswer = z.strictObject({ v: z.literal(1), seq: z.int().min(1).max(INTEGER_MAX) });
/** The answer to a report. A trust document whose `stream.seq` is not below `seq` has all of it applied. */
export const OutcomeReceipt = z.strictObject({ v: z.literal(1), seq: z.int().min(1).max(INTEGER_MAX) });
export type OutcomeReceipt = z.infer<typeof OutcomeReceipt>;
