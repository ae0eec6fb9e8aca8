import { z } from "zod";

/** The environments. Each has NATS accounts of its own, and no message crosses between them. */
export const ENVIRONMENTS = ["dev", "staging", "prod"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** The default of `SCBE_PROVIDERS`: the AI providers of a deployment. */
export const PROVIDERS = ["openai", "anthropic", "google", "groq", "perplexity", "xai"] as const;

/** kid, provider and intent: one NATS token each, without characters that JSON escapes. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Intents with this prefix are reserved for SCBE: their subkeys seal no envelope, and no deployment or user has one. */
export const RESERVED_INTENT = /^scbe-/;
/** The intent of the subkeys that make opening tokens; the keyring grants them only to the envelope service. */
export const OPENING_TOKEN_INTENT = "scbe-opening-token";

export const MODEL_PATTERN = /^[A-Za-z0-9._:/@+-]{1,128}$/;
export const REQUEST_ID_PATTERN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const Name = z.string().regex(NAME_PATTERN);

/** True if `value` can be a kid, provider or intent. */
export function isName(value: string): boolean {
  return NAME_PATTERN.test(value);
}
