import type { GrantQuestion } from "@scbe/contracts";
import { decodeBase64Url } from "../base64url.ts";
import { SIGNATURE_BYTES, X25519_BYTES } from "./suite.ts";
import { questionBytes } from "./transcript.ts";
import { verifyNkey } from "./verify-nkey.ts";

/** A question that its asker has signed; only {@link verifyQuestion} makes one. */
export interface VerifiedQuestion {
  readonly question: GrantQuestion;
  /** Q */
  readonly bytes: Uint8Array;
  /** The asker's X25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export type QuestionVerdict =
  | { readonly ok: true; readonly verified: VerifiedQuestion }
  | { readonly ok: false; readonly reason: "malformed" | "signature" };

/**
 * Whether the holder of the asker's nkey has asked just this. It says nothing about what that asker may ask: the
 * caller has compared the nkey with its own list before.
 */
export function verifyQuestion(question: GrantQuestion): QuestionVerdict {
  const publicKey = decodeBase64Url(question.public_key, X25519_BYTES);
  const signature = decodeBase64Url(question.signature, SIGNATURE_BYTES);
  if (publicKey === undefined || signature === undefined) return { ok: false, reason: "malformed" };
  const bytes = questionBytes(question, publicKey);
  if (!verifyNkey(question.asker, bytes, signature)) return { ok: false, reason: "signature" };
  return { ok: true, verified: { question, bytes, publicKey } };
}
