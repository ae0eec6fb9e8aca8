/** Every reason why an envelope is not opened. docs/spec/envelope-v1.md has the meaning and step of each. */
export const REFUSAL_REASONS = [
  "malformed",
  "not_canonical",
  "version",
  "members",
  "not_served",
  "switched_off",
  "time",
  "unknown_key",
  "nonce",
  "commitment",
  "tag",
  "replay",
  "nonce_reuse",
  "not_admitted",
  "binding",
  "withdrawn",
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];
