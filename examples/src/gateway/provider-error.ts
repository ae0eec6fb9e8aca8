import { ScbeError } from "@scbe/contracts";
import type { Target } from "./target.ts";

/**
 * What a caller is told of an HTTP answer that is no 200. Of its body only whether it means the key is looked at: it may
 * quote what was asked.
 */
export function providerError(target: Target, status: number, body: string): ScbeError {
  const { provider, shape } = target;
  if (status === 401 || status === 403 || shape.meansTheKey?.(status, body) === true) {
    return new ScbeError("HANDLER_FAILED", keyRefused(target, status));
  }
  if (BUSY.has(status)) return new ScbeError("BUSY", `${provider} is at its limit (HTTP ${status})`);
  if (status === 404) {
    return new ScbeError("BAD_REQUEST", `${provider} knows no such model, or no such path (HTTP 404)`);
  }
  if (MALFORMED.has(status)) {
    return new ScbeError("BAD_REQUEST", `${provider} does not take this request (HTTP ${status})`);
  }
  if (status >= 300 && status < 400) {
    return new ScbeError("HANDLER_FAILED", `${provider} redirects (HTTP ${status}), which is not followed`);
  }
  return new ScbeError("HANDLER_FAILED", `${provider} failed (HTTP ${status})`);
}

/** Too many requests, unavailable for now, and Anthropic's "overloaded". */
const BUSY: ReadonlySet<number> = new Set([429, 503, 529]);
const MALFORMED: ReadonlySet<number> = new Set([400, 413, 415, 422]);

function keyRefused({ provider, key, keyVariables }: Target, status: number): string {
  const variables = keyVariables.join(" or ");
  return key === undefined
    ? `${provider} wants a key (HTTP ${status}), and ${variables} is not set at its gateway`
    : `${provider} does not accept the key in ${variables} of its gateway (HTTP ${status})`;
}
