import type { Shape } from "./chat.ts";
import { anthropicShape } from "./shapes/anthropic.ts";
import { geminiShape } from "./shapes/gemini.ts";
import { openaiShape } from "./shapes/openai.ts";

/** One provider's API, by its documentation. */
export interface ProviderApi {
  /** Ends with the API's version, without a slash. */
  readonly baseUrl: string;
  /** Environment variables that can hold the key; the first one that is set is used. */
  readonly keyVariables: readonly [string, ...string[]];
  readonly shape: Shape;
}

/** Every provider that the example gateway can call. */
export const PROVIDER_APIS = {
  openai: {
    baseUrl: "https://api.openai.com/v1",
    keyVariables: ["OPENAI_API_KEY"],
    shape: openaiShape("max_completion_tokens"),
  },
  anthropic: {
    baseUrl: "https://api.anthropic.com/v1",
    keyVariables: ["ANTHROPIC_API_KEY"],
    shape: anthropicShape,
  },
  google: {
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    keyVariables: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    shape: geminiShape,
  },
  groq: {
    baseUrl: "https://api.groq.com/openai/v1",
    keyVariables: ["GROQ_API_KEY"],
    shape: openaiShape("max_completion_tokens"),
  },
  perplexity: {
    baseUrl: "https://api.perplexity.ai",
    keyVariables: ["PERPLEXITY_API_KEY"],
    shape: openaiShape("max_tokens"),
  },
  xai: {
    baseUrl: "https://api.x.ai/v1",
    keyVariables: ["XAI_API_KEY"],
    shape: openaiShape("max_completion_tokens"),
  },
} as const satisfies Record<string, ProviderApi>;

export type ProviderName = keyof typeof PROVIDER_APIS;

export const PROVIDER_NAMES = Object.keys(PROVIDER_APIS) as readonly ProviderName[];

/** True when `name` is in {@link PROVIDER_APIS}. */
export function isProvider(name: string): name is ProviderName {
  return Object.hasOwn(PROVIDER_APIS, name);
}

/** The variable that sets another base URL for a provider's API: a proxy, or the local stand-in. */
export function urlVariable(provider: ProviderName): string {
  return `SCBE_PROVIDER_URL_${provider.toUpperCase()}`;
}

/** A provider's base URL at the local stand-in that answers at `root`: the provider's name, then the API's own path. */
export function standInUrl(root: string, provider: ProviderName): string {
  const { pathname } = new URL(PROVIDER_APIS[provider].baseUrl);
  return `${root.replace(/\/$/, "")}/${provider}${pathname === "/" ? "" : pathname}`;
}
