import { randomBytes } from "node:crypto";
import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";
import type { Header, RequestHeader } from "./header/header.ts";
import { PREFIX_BYTES } from "./keys.ts";
import type { Admission } from "./ports.ts";
import type { Refusal } from "./refusals.ts";
import type { EnvelopeParts } from "./wire.ts";

/** The facts of a request with a verified tag that the guard gets. */
export interface AdmitFacts {
  readonly header: Header;
  readonly sessionId: Uint8Array;
  readonly nonce: Buffer;
  readonly parts: Pick<EnvelopeParts, "tag">;
}

const ATTEMPT_BYTES = 16;

/** A failing guard admits nothing. */
export async function askGuard(guard: Admission, facts: AdmitFacts, provider: string): Promise<AdmitVerdict> {
  try {
    return await guard.admit(admitItem(facts), provider);
  } catch {
    return "refused";
  }
}

/** Any verdict but `fresh` is a refusal. */
export function refusalOf(verdict: AdmitVerdict): Refusal | undefined {
  if (verdict === "fresh") return undefined;
  if (verdict === "replay") return "replay";
  return verdict === "reuse" ? "nonce_reuse" : "not_admitted";
}

/** The attempt is random and not part of the envelope: it makes a resend idempotent. */
function admitItem({ header, sessionId, nonce, parts }: AdmitFacts): AdmitItem {
  return {
    epoch: Buffer.from((header as RequestHeader).epoch, "base64url"),
    sessionId,
    counter: nonce.readUInt32BE(PREFIX_BYTES),
    replayNonce: Buffer.from(header.replay_nonce, "base64url"),
    tag: parts.tag,
    attempt: randomBytes(ATTEMPT_BYTES),
  };
}
