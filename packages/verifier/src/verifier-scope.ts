import type { Phase } from "@scbe/envelope";

/** What a verifier seals and opens, and for whom: the values that its metrics' labels have. */
export interface VerifierScope {
  readonly providers: readonly string[];
  readonly seals: readonly Phase[];
  readonly opens: readonly Phase[];
}
