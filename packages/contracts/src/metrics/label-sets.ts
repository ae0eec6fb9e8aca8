import { ERROR_CODES, type ErrorCode } from "../errors.ts";
import { REFUSAL_REASONS } from "../refusals.ts";

/** A request and its response are different kinds of envelopes, under different keys. */
export const PHASES = ["request", "response"] as const;

/** The phases that each kind of process seals and opens. */
export const PHASES_OF = {
  orchestrator: { seals: ["request"], opens: ["response"] },
  gateway: { seals: ["response"], opens: ["request"] },
  envelope: { seals: PHASES, opens: PHASES },
} as const;

/** Results of opening an envelope. */
export const OPENING_RESULTS = ["opened", ...REFUSAL_REASONS] as const;

/** Results of checking the opening token of a response. */
export const OPENING_TOKEN_RESULTS = ["taken", "malformed", "unknown_key", "foreign", "expired"] as const;
export type OpeningTokenResult = (typeof OPENING_TOKEN_RESULTS)[number];

/** Why a sealing session starts: it is the first of its keys, or the reason why the one before ended. */
export const SESSION_STARTS = ["first", "counter", "bytes", "age", "key", "epoch", "clock"] as const;
export type SessionStart = (typeof SESSION_STARTS)[number];

/** The budgets of a sealing session. */
export const SESSION_BUDGETS = ["messages", "bytes", "age"] as const;
export type SessionBudget = (typeof SESSION_BUDGETS)[number];

/** Results of one exchange of a request, sealed or unsealed. */
export const EXCHANGE_RESULTS = ["answered", "refused", "busy", "silent", "switched_off", "failed"] as const;
export type ExchangeResult = (typeof EXCHANGE_RESULTS)[number];

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** Results of a request for its caller. */
export const REQUEST_RESULTS: readonly ("ok" | ErrorCode)[] = ["ok", ...CODES];

export const HANDLER_RESULTS = ["ok", "failed"] as const;

/** Results of an unsealed request at a gateway. */
export const UNSEALED_RESULTS = ["taken", "refused"] as const;
export type UnsealedResult = (typeof UNSEALED_RESULTS)[number];

/** Results of a grant request. */
export const GRANT_RESULTS: readonly ("granted" | ErrorCode)[] = ["granted", ...CODES];

export const KMS_CALLS = ["generate", "unwrap"] as const;
export type KmsCall = (typeof KMS_CALLS)[number];

/** `refused`: KMS answered, and does not open this copy. `failed`: it gave no usable answer. */
export const KMS_RESULTS = ["ok", "refused", "failed"] as const;
export type KmsResult = (typeof KMS_RESULTS)[number];

/** Calls to the replay store. */
export const STORE_CALLS = ["admit", "look", "make", "measure"] as const;
export type StoreCall = (typeof STORE_CALLS)[number];

/** Results of reporting a nonce reuse: `failed` is retried, `dropped` is lost. */
export const REPORT_RESULTS = ["acknowledged", "failed", "dropped"] as const;
export type ReportResult = (typeof REPORT_RESULTS)[number];

/** Records that a service owns, and repairs when they are unreadable. */
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
 * Results of a signed message, a control document or a ring: `old` was known, so its signature was not checked;
 * `refused` is not from the signer; `dropped` looked new, but too many of those arrived to check all.
 */
export const SIGNED_MESSAGE_RESULTS = ["applied", "old", "refused", "dropped"] as const;
export type SignedMessageResult = (typeof SIGNED_MESSAGE_RESULTS)[number];

/** Results of a lease request: `refused` was answered without a lease for the held document. */
export const CONTROL_LEASE_RESULTS = ["granted", "unanswered", "refused"] as const;
export type ControlLeaseResult = (typeof CONTROL_LEASE_RESULTS)[number];

/**
 * Results of an alert: `known` is of a firing that was processed before, `ignored` does not trigger a rollback, `resolved`
 * never ends a kill, `unreadable` has no readable name.
 */
export const ALERT_RESULTS = ["killed", "known", "ignored", "resolved", "watchdog", "unreadable"] as const;
export type AlertResult = (typeof ALERT_RESULTS)[number];

/** Statuses that refuse a post of Alertmanager; `other` is an unexpected one. */
export const WEBHOOK_REFUSALS = ["400", "401", "403", "413", "429", "500", "503", "other"] as const;

/** The two paths by which the controller learns of a nonce reuse. */
export const ROLLBACK_PATHS = ["event", "alert"] as const;
export type RollbackPath = (typeof ROLLBACK_PATHS)[number];

/** Destinations of the controller's notices. */
export const NOTICE_DESTINATIONS = ["pagerduty", "slack"] as const;
export type NoticeDestination = (typeof NOTICE_DESTINATIONS)[number];

/** Results of a notice: `failed` is retried, `given_up` and `dropped` are lost. */
export const NOTICE_RESULTS = ["delivered", "failed", "given_up", "dropped"] as const;
export type NoticeResult = (typeof NOTICE_RESULTS)[number];

/** Results of an audit record: `failed` is retried, `dropped` is lost. */
export const AUDIT_RESULTS = ["stored", "failed", "dropped"] as const;
export type AuditResult = (typeof AUDIT_RESULTS)[number];

/** Results of reports to the trust scorers: `failed` are sent again, `dropped` are lost. */
export const OUTCOME_REPORT_RESULTS = ["acknowledged", "failed", "dropped"] as const;
export type OutcomeReportResult = (typeof OUTCOME_REPORT_RESULTS)[number];

/** Results of a message of the trust stream: `bad` is invalid and ignored. */
export const TRUST_EVENT_RESULTS = ["applied", "bad"] as const;
export type TrustEventResult = (typeof TRUST_EVENT_RESULTS)[number];

/** Results of a received trust document: `old` was known, `refused` is invalid. */
export const TRUST_DOCUMENT_RESULTS = ["applied", "old", "refused"] as const;
export type TrustDocumentResult = (typeof TRUST_DOCUMENT_RESULTS)[number];

/** States of a verifier, by its last lease request. */
export const VERIFIER_STATES = ["converged", "behind", "stale"] as const;
export type VerifierState = (typeof VERIFIER_STATES)[number];

/**
 * States of one user's verifiers, as the leading controller knows them. `behind`: one holds another document than the one in
 * force, or there are more than are counted; `silent`: one sent no request within its lease time; `absent`: none holds a document;
 * `unknown`: all that this controller knows have converged or hold nothing, but it does not know which there were before it led.
 */
export const USER_STATES = ["converged", "behind", "silent", "absent", "unknown"] as const;
export type UserState = (typeof USER_STATES)[number];

/** Kinds of changes of the control document. */
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

/** Statuses of refusals of the control API. */
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

/** Why a connection was closed: too many in all, of its address, or of its token. */
export const API_CLOSED_WHY = ["total", "peer", "token"] as const;
export type ApiClosedWhy = (typeof API_CLOSED_WHY)[number];

/** Decisions about a step of a canary. */
export const CANARY_VERDICTS = ["promote", "hold", "abort"] as const;
export type CanaryVerdict = (typeof CANARY_VERDICTS)[number];
