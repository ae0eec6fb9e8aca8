import type { GrantRequest } from "@scbe/contracts";
import { questionBytes } from "./transcript.ts";
import { verifyNkey } from "./verify-nkey.ts";

/** A question that its asker has signed; only {@link verifyGrantRequest} makes one. */
export interface VerifiedQuestion {
  readonly question: GrantRequest;
  /** Q */
  readonly bytes: Uint8Array;
  /** The asker's X25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * The question, if the holder of the asker's nkey has asked just this; else `undefined`. It says nothing about what that asker may ask:
 * the caller has compared the nkey with its own list before.
 */
export function verifyGrantRequest(question: GrantRequest): VerifiedQuestion | undefined {
  const publicKey = Buffer.from(question.public_key, "base64url");
  const signature = Buffer.from(question.signature, "base64url");
  const bytes = questionBytes(question, publicKey);
  return verifyNkey(question.asker, bytes, signature) ? { question, bytes, publicKey } : undefined;
}
