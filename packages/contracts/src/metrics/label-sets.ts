import { ERROR_CODES, type ErrorCode } from "../errors.ts";
import { REFUSAL_REASONS } from "../refusals.ts";

/** A request and its response are different kinds of envelopes, under different keys. */
export const PHASES = ["request", "response"] as const;

/** What each kind of process seals and opens. */
export const PHASES_OF = {
  orchestrator: { seals: ["request"], opens: ["response"] },
  gateway: { seals: ["response"], opens: ["request"] },
  envelope: { seals: PHASES, opens: PHASES },
} as const;

/** What became of an envelope that was to be opened. */
export const OPENING_RESULTS = ["opened", ...REFUSAL_REASONS] as const;

/** What became of the opening token that a caller has given with a response. */
export const OPENING_TOKEN_RESULTS = ["taken", "malformed", "unknown_key", "foreign", "expired"] as const;
export type OpeningTokenResult = (typeof OPENING_TOKEN_RESULTS)[number];

/** Why a sealing session starts: the first of its keys, or what has ended the one before. */
export const SESSION_STARTS = ["first", "counter", "bytes", "age", "key", "epoch", "clock"] as const;
export type SessionStart = (typeof SESSION_STARTS)[number];

/** What a sealing session uses up. */
export const SESSION_BUDGETS = ["messages", "bytes", "age"] as const;
export type SessionBudget = (typeof SESSION_BUDGETS)[number];

/** How one try of a request ended: the journey of an envelope, or of an unsealed body. */
export const EXCHANGE_RESULTS = ["answered", "refused", "busy", "silent", "switched_off", "failed"] as const;
export type ExchangeResult = (typeof EXCHANGE_RESULTS)[number];

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** How a request ended for its caller. */
export const REQUEST_RESULTS: readonly ("ok" | ErrorCode)[] = ["ok", ...CODES];

export const HANDLER_RESULTS = ["ok", "failed"] as const;

/** What a gateway did with a request that arrived unsealed. */
export const UNSEALED_RESULTS = ["taken", "refused"] as const;
export type UnsealedResult = (typeof UNSEALED_RESULTS)[number];

/** How the keyring has answered a question for subkeys. */
export const GRANT_RESULTS: readonly ("granted" | ErrorCode)[] = ["granted", ...CODES];

export const KMS_CALLS = ["generate", "unwrap"] as const;
export type KmsCall = (typeof KMS_CALLS)[number];

/** `refused`: KMS answered, and does not open this copy. `failed`: it gave no answer, or nothing that can be used. */
export const KMS_RESULTS = ["ok", "refused", "failed"] as const;
export type KmsResult = (typeof KMS_RESULTS)[number];

/** Calls to the replay store. */
export const STORE_CALLS = ["admit", "look", "make", "measure"] as const;
export type StoreCall = (typeof STORE_CALLS)[number];

/** What became of the report of a nonce reuse: `failed` is tried again, `dropped` is lost. */
export const REPORT_RESULTS = ["acknowledged", "failed", "dropped"] as const;
export type ReportResult = (typeof REPORT_RESULTS)[number];

/** Records that a service owns, and mends when they cannot be read. */
export const OWNED_RECORDS = [
  "ring",
  "epoch",
  "control",
  "trust",
  "trust_relay",
  "trust_words",
  "verifiers",
] as const;
export type OwnedRecord = (typeof OWNED_RECORDS)[number];

/**
 * What became of a signed message, a control document or a ring: `old` is none that was not known, and its signature was not looked at;
 * `refused` is none of the signer's; `dropped` might have been news, among more of those than are checked.
 */
export const SIGNED_MESSAGE_RESULTS = ["applied", "old", "refused", "dropped"] as const;
export type SignedMessageResult = (typeof SIGNED_MESSAGE_RESULTS)[number];

/** What became of a question for a lease: `refused` was answered by none for the document that is held. */
export const CONTROL_LEASE_RESULTS = ["granted", "unanswered", "refused"] as const;
export type ControlLeaseResult = (typeof CONTROL_LEASE_RESULTS)[number];

/**
 * What an alert has led to: `known` belongs to a firing that was acted on before, `ignored` is no trigger of a rollback, `resolved`
 * switches nothing back on, `unreadable` has no name that can be read.
 */
export const ALERT_RESULTS = ["killed", "known", "ignored", "resolved", "watchdog", "unreadable"] as const;
export type AlertResult = (typeof ALERT_RESULTS)[number];

/** Statuses that a post of Alertmanager is refused with; `other` is none that is expected. */
export const WEBHOOK_REFUSALS = ["400", "401", "403", "413", "429", "500", "503", "other"] as const;

/** The two ways on which the controller hears of a nonce reuse. */
export const ROLLBACK_PATHS = ["event", "alert"] as const;
export type RollbackPath = (typeof ROLLBACK_PATHS)[number];

/** Whom the controller tells. */
export const NOTICE_DESTINATIONS = ["pagerduty", "slack"] as const;
export type NoticeDestination = (typeof NOTICE_DESTINATIONS)[number];

/** What became of a try to tell somebody: `failed` is tried again, `given_up` and `dropped` are lost. */
export const NOTICE_RESULTS = ["delivered", "failed", "given_up", "dropped"] as const;
export type NoticeResult = (typeof NOTICE_RESULTS)[number];

/** What became of an audit record: `failed` is tried again, `dropped` is lost. */
export const AUDIT_RESULTS = ["stored", "failed", "dropped"] as const;
export type AuditResult = (typeof AUDIT_RESULTS)[number];

/** What became of events for the trust scorers: `failed` are told again, `dropped` are lost. */
export const OUTCOME_REPORT_RESULTS = ["acknowledged", "failed", "dropped"] as const;
export type OutcomeReportResult = (typeof OUTCOME_REPORT_RESULTS)[number];

/** What became of a message of the trust stream: `bad` is none that may stand there, and counts for nothing. */
export const TRUST_EVENT_RESULTS = ["applied", "bad"] as const;
export type TrustEventResult = (typeof TRUST_EVENT_RESULTS)[number];

/** What became of a trust document that was offered: `old` is none that was not known, `refused` is none at all. */
export const TRUST_DOCUMENT_RESULTS = ["applied", "old", "refused"] as const;
export type TrustDocumentResult = (typeof TRUST_DOCUMENT_RESULTS)[number];

/** How a verifier stands, as the controller knows it from its last question for a lease. */
export const VERIFIER_STATES = ["converged", "behind", "stale"] as const;
export type VerifierState = (typeof VERIFIER_STATES)[number];

/**
 * How the verifiers of one user stand, as the controller that leads knows them. `behind`: one holds something else than what is in
 * force, or there are more than are counted; `silent`: one has not asked within its lease time; `absent`: none holds anything;
 * `unknown`: all that this controller hears have converged or hold nothing, but it does not know which were heard before it led.
 */
export const USER_STATES = ["converged", "behind", "silent", "absent", "unknown"] as const;
export type UserState = (typeof USER_STATES)[number];

/** What a change of the control document was about. */
export const CONTROL_ACTIONS = [
  "first",
  "kill",
  "release",
  "flags",
  "canary",
  "skew-window",
  "fallback",
  "other",
] as const;
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

/** The statuses with which the control API refuses. */
export const API_REFUSED_STATUSES = [
  "400",
  "401",
  "403",
  "404",
  "405",
  "408",
  "409",
  "413",
  "417",
  "421",
  "429",
  "431",
  "500",
  "503",
  "another",
] as const;

/** Connections of the control API: with a valid token, or without one so far. */
export const API_CONNECTION_STATES = ["anonymous", "authenticated"] as const;

/** Why a connection was closed: there were too many of all, of its address, or of its token. */
export const API_CLOSED_WHY = ["total", "peer", "token"] as const;
export type ApiClosedWhy = (typeof API_CLOSED_WHY)[number];

/** What is to become of a canary's step. */
export const CANARY_VERDICTS = ["promote", "hold", "abort"] as const;
export type CanaryVerdict = (typeof CANARY_VERDICTS)[number];
