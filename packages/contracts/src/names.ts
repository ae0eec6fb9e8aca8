import { z } from "zod";

/** The environments; one environment has NATS accounts of its own, and nothing crosses from one to another. */
export const ENVIRONMENTS = ["dev", "staging", "prod"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** The AI providers that a deployment serves unless `SCBE_PROVIDERS` says otherwise. */
export const PROVIDERS = ["openai", "anthropic", "google", "groq", "perplexity", "xai"] as const;

/** kid, provider and intent: one NATS token each, and nothing that JSON would have to escape. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Intents that begin so are SCBE's own: their subkeys seal no envelope, and no deployment or user has one. */
export const RESERVED_INTENT = /^scbe-/;
/** The intent whose subkeys make opening tokens; the keyring grants them to the envelope service alone. */
export const OPENING_TOKEN_INTENT = "scbe-opening-token";

export const MODEL_PATTERN = /^[A-Za-z0-9._:/@+-]{1,128}$/;
export const REQUEST_ID_PATTERN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const Name = z.string().regex(NAME_PATTERN);

/** True when `value` can stand as kid, provider or intent. */
export function isName(value: string): boolean {
  return NAME_PATTERN.test(value);
}
