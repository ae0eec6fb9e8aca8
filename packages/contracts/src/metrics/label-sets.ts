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

/** Why a sealing session starts: the first of its keys, or what has ended the one before. */
export const SESSION_STARTS = ["first", "counter", "bytes", "age", "key", "epoch", "clock"] as const;
export type SessionStart = (typeof SESSION_STARTS)[number];

/** What a sealing session uses up. */
export const SESSION_BUDGETS = ["messages", "bytes", "age"] as const;
export type SessionBudget = (typeof SESSION_BUDGETS)[number];

/** How the journey of one envelope ended. */
export const LANDINGS = ["answered", "refused", "busy", "silent", "failed"] as const;
export type LandingResult = (typeof LANDINGS)[number];

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** How a request ended for its caller. */
export const REQUEST_RESULTS: readonly ("ok" | ErrorCode)[] = ["ok", ...CODES];

export const HANDLER_RESULTS = ["ok", "failed"] as const;

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
