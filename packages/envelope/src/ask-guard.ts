import { randomBytes } from "node:crypto";
import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";
import type { Header, RequestHeader } from "./header/header.ts";
import { PREFIX_BYTES } from "./keys/session-keys.ts";
import type { Admission } from "./ports.ts";
import type { Refusal } from "./refusals.ts";
import type { EnvelopeParts } from "./wire.ts";

/** What the guard is told of a request whose tag has verified. */
export interface AdmitFacts {
  readonly header: Header;
  readonly sessionId: Uint8Array;
  readonly nonce: Buffer;
  readonly parts: Pick<EnvelopeParts, "tag">;
}

const ATTEMPT_BYTES = 16;

/** A guard that fails has admitted nothing, and its asker gets noise like any other. */
export async function askGuard(guard: Admission, facts: AdmitFacts, provider: string): Promise<AdmitVerdict> {
  try {
    return await guard.admit(admitItem(facts), provider);
  } catch {
    return "refused";
  }
}

/** Only a clear `fresh` is none. */
export function refusalOf(verdict: AdmitVerdict): Refusal | undefined {
  if (verdict === "fresh") return undefined;
  if (verdict === "replay") return "replay";
  return verdict === "reuse" ? "nonce_reuse" : "not_admitted";
}

/** The attempt is drawn here, from the system's generator, and taken from no envelope: it makes a resend idempotent. */
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
