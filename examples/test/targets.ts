import type { Target } from "../src/gateway/config.ts";
import { PROVIDER_APIS, type ProviderName } from "../src/providers.ts";

/** A target at `baseUrl`, with limits short enough for a test. */
export function targetAt(baseUrl: string, provider: ProviderName, more: Partial<Target> = {}): Target {
  const { shape, keyVariables } = PROVIDER_APIS[provider];
  const limits = { timeoutMs: 10_000, answerBytesMax: 65_536 };
  return { provider, baseUrl, calls: "a test", key: "sk-test", keyVariables, shape, ...limits, ...more };
}
