import {
  ACCESS,
  type Environment,
  type ErrorCode,
  type GrantMeta,
  GrantRequest,
  type ListedUser,
  RESERVED_INTENT,
  readMessage,
} from "@scbe/contracts";
import { isLowOrder, type VerifiedQuestion, verifyGrantRequest } from "@scbe/envelope/grant";
import { endOf, openable } from "./openable.ts";
import { isActive, type Ring } from "./ring.ts";

/** The longest grant request in bytes; a larger one is refused unread. No legal one is longer. */
export const GRANT_REQUEST_BYTES_MAX = 2048;

/** The state of the keyring when a grant request arrives. */
export interface Situation {
  readonly served: Served;
  /** undefined: none is known yet */
  readonly ring: Ring | undefined;
  readonly nowMs: number;
  readonly decryptOnlyMaxMs: number;
  /** Counts a request of this user; false: the user is above its rate. */
  count(asker: string): boolean;
}

/** What this keyring serves. */
export interface Served {
  readonly env: Environment;
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  readonly users: Users;
}

/** The users of the deployment. */
export interface Users {
  byNkey(nkey: string): ListedUser | undefined;
}

/** The names in the subject of a grant request. */
export interface GrantSubject {
  readonly user: string;
  readonly provider: string;
}

export type GrantRefusalReason =
  | UnauthorizedReason
  | "malformed"
  | "rate"
  | "signature"
  | "no ring"
  | "kid"
  | "low order";

export type Judgement =
  | { readonly ok: true; readonly verified: VerifiedQuestion; readonly meta: GrantMeta }
  | { readonly ok: false; readonly code: ErrorCode; readonly reason: GrantRefusalReason };

/**
 * Decides whether a request is granted, and for which key: the checks of docs/spec/envelope-v1.md, "Grants", in their order. The request is
 * counted after the check that its nkey is the subject's user, so a user spends only its own rate, and before its signature, which
 * costs more than counting.
 */
export function judgeGrantRequest(data: Uint8Array, subject: GrantSubject, situation: Situation): Judgement {
  const { served, ring, nowMs, decryptOnlyMaxMs } = situation;
  const request = readMessage(data, GrantRequest, GRANT_REQUEST_BYTES_MAX);
  if (request === undefined) return refuse("BAD_REQUEST", "malformed");
  const authorization = authorizeGrant(request, subject, served);
  if (!authorization.ok) return authorization;
  if (!situation.count(request.asker)) return refuse("BUSY", "rate");
  const verified = verifyGrantRequest(request);
  if (verified === undefined) return refuse("FORBIDDEN", "signature");
  if (ring === undefined) return refuse("NOT_READY", "no ring");
  const meta = chooseKey(ring, request.kid, { nowMs, decryptOnlyMaxMs });
  if (meta === undefined) return refuse("NO_KEYS", "kid");
  if (isLowOrder(verified.publicKey)) return refuse("BAD_REQUEST", "low order");
  return { ok: true, verified, meta };
}

/** The check that failed, by its name in docs/spec/envelope-v1.md, "Grants". */
export type UnauthorizedReason =
  | "env"
  | "subject's provider"
  | "provider"
  | "intent"
  | "asker"
  | "subject's user"
  | "role"
  | "user's provider"
  | "reserved intent"
  | "user's intent";

export type Authorization =
  | { readonly ok: true; readonly asker: ListedUser }
  | {
      readonly ok: false;
      readonly code: "BAD_REQUEST" | "FORBIDDEN";
      readonly reason: UnauthorizedReason;
    };

/**
 * Whether the nkey that a request names is allowed this grant, by the keyring's own list of users. The permissions of the bus are the first
 * lock, this is the second. It does not check the signature.
 */
export function authorizeGrant(request: GrantRequest, subject: GrantSubject, served: Served): Authorization {
  const { env, provider, intent } = request;
  if (env !== served.env) return refuse("BAD_REQUEST", "env");
  if (provider !== subject.provider) return refuse("BAD_REQUEST", "subject's provider");
  if (!served.providers.includes(provider)) return refuse("BAD_REQUEST", "provider");
  const isReserved = RESERVED_INTENT.test(intent);
  if (!isReserved && !served.intents.includes(intent)) return refuse("BAD_REQUEST", "intent");
  const asker = served.users.byNkey(request.asker);
  if (asker === undefined) return refuse("FORBIDDEN", "asker");
  if (asker.name !== subject.user) return refuse("FORBIDDEN", "subject's user");
  const { publishes, reservedIntents = [] } = ACCESS[asker.role];
  if (!publishes.includes("grant")) return refuse("FORBIDDEN", "role");
  if (!asker.providers.includes(provider)) return refuse("FORBIDDEN", "user's provider");
  if (isReserved && !reservedIntents.includes(intent)) return refuse("FORBIDDEN", "reserved intent");
  if (!isReserved && asker.intents?.includes(intent) === false) return refuse("FORBIDDEN", "user's intent");
  return { ok: true, asker };
}

/**
 * The key of a grant for `kid` (empty: the active key). Undefined for a key that does not open: retired, compromised and unknown keys are
 * not told apart.
 */
export function chooseKey(
  ring: Ring,
  kid: string,
  { nowMs, decryptOnlyMaxMs }: { readonly nowMs: number; readonly decryptOnlyMaxMs: number },
): GrantMeta | undefined {
  const keys = openable(ring, nowMs, decryptOnlyMaxMs);
  const key = kid === "" ? keys.find(isActive) : keys.find((candidate) => candidate.kid === kid);
  if (key === undefined) return undefined;
  return {
    kid: key.kid,
    state: key.state,
    not_after: endOf(key, decryptOnlyMaxMs),
    ring_generation: ring.generation,
  };
}

function refuse<const Code extends ErrorCode, const Reason>(code: Code, reason: Reason) {
  return { ok: false, code, reason } as const;
}
