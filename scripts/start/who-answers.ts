import { PROVIDER_APIS, PROVIDER_NAMES, type ProviderName, urlVariable } from "@scbe/examples/providers";
import { pick } from "./environment.ts";

/** Says for each provider who will answer: its real API, another address, or the local stand-in. */
export function whoAnswers(own: NodeJS.ProcessEnv): string {
  const real = PROVIDER_NAMES.filter((name) => hasKey(name, own) && !hasUrl(name, own));
  const elsewhere = PROVIDER_NAMES.filter((name) => hasUrl(name, own));
  const rest = standsInFor(own);
  return [
    ...(real.length > 0 ? [`there is a key: the real API answers for ${real.join(", ")}`] : []),
    ...(elsewhere.length > 0 ? [`SCBE_PROVIDER_URL_* says who answers for ${elsewhere.join(", ")}`] : []),
    ...(rest.length > 0 ? [`there is no key: a local stand-in answers for ${rest.join(", ")}`] : []),
  ].join("; ");
}

/** The providers that the local stand-in answers for. */
export function standsInFor(own: NodeJS.ProcessEnv): string[] {
  return PROVIDER_NAMES.filter((name) => !hasKey(name, own) && !hasUrl(name, own));
}

function hasKey(provider: ProviderName, own: NodeJS.ProcessEnv): boolean {
  return Object.keys(pick(own, PROVIDER_APIS[provider].keyVariables)).length > 0;
}

function hasUrl(provider: ProviderName, own: NodeJS.ProcessEnv): boolean {
  return (own[urlVariable(provider)] ?? "") !== "";
}
