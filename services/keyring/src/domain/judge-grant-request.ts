import { type ErrorCode, type GrantMeta, GrantRequest, readMessage } from "@scbe/contracts";
import { isLowOrder, type VerifiedQuestion, verifyGrantRequest } from "@scbe/envelope/grant";
import { chooseKey } from "./choose-key.ts";
import { mayAsk, type QuestionSubject, type Served } from "./may-ask.ts";
import type { Ring } from "./ring.ts";

/** Bytes of a question; a larger one is refused unread. No legal one is so long. */
export const QUESTION_BYTES_MAX = 2048;

/** What this keyring holds and allows when a question comes. */
export interface Situation {
  readonly served: Served;
  /** undefined: none is known yet */
  readonly ring: Ring | undefined;
  readonly nowMs: number;
  readonly decryptOnlyMaxMs: number;
  /** Counts a question of this asker; `false`: it has asked too many. */
  count(asker: string): boolean;
}

export type GrantRefusalReason =
  | Extract<ReturnType<typeof mayAsk>, { ok: false }>["reason"]
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
 * Whether a question is to be granted, and which key it is about: all checks of docs/spec/envelope-v1.md, "Grants", in their order. The
 * asker is the subject's user before it is counted, so it spends its own; a signature costs more than counting.
 */
export function judgeGrantRequest(
  data: Uint8Array,
  subject: QuestionSubject,
  situation: Situation,
): Judgement {
  const { served, ring, nowMs, decryptOnlyMaxMs } = situation;
  const question = readMessage(data, GrantRequest, QUESTION_BYTES_MAX);
  if (question === undefined) return refuse("BAD_REQUEST", "malformed");
  const allowed = mayAsk(question, subject, served);
  if (!allowed.ok) return allowed;
  if (!situation.count(question.asker)) return refuse("BUSY", "rate");
  const verified = verifyGrantRequest(question);
  if (verified === undefined) return refuse("FORBIDDEN", "signature");
  if (ring === undefined) return refuse("NOT_READY", "no ring");
  const meta = chooseKey(ring, question.kid, { nowMs, decryptOnlyMaxMs });
  if (meta === undefined) return refuse("NO_KEYS", "kid");
  if (isLowOrder(verified.publicKey)) return refuse("BAD_REQUEST", "low order");
  return { ok: true, verified, meta };
}

function refuse(code: ErrorCode, reason: GrantRefusalReason): Judgement {
  return { ok: false, code, reason };
}
