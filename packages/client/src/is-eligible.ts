import { type TrustDocument, trustIn, trustLabel, trustShare } from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import type { RequestOptions } from "./request-options.ts";

export interface TrustNow {
  /** undefined: everybody is trusted. */
  readonly document: TrustDocument | undefined;
  readonly requestId: string;
  /** The bus user that this process tells as. */
  readonly teller: string;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** True of a request that its provider is to get: not of one that is excluded for its quality, nor of one outside of its share on the way back. */
export function isEligible(
  { provider }: RequestOptions,
  { document, requestId, teller, now }: TrustNow,
): boolean {
  if (document === undefined) return true;
  const share = trustShare(trustIn(document, provider), now, teller);
  return share === 100 || isInside(trustLabel(provider), requestId, share);
}
