import type { Environment, GrantQuestion } from "@scbe/contracts";

/** One process that may ask for subkeys, and for which of them. */
export interface Asker {
  /** Its public user nkey. */
  readonly nkey: string;
  readonly role: string;
  readonly providers: readonly string[];
  /** Absent: every intent of the deployment. */
  readonly intents?: readonly string[];
}

/** What this keyring serves. */
export interface Served {
  readonly env: Environment;
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  readonly askers: ReadonlyMap<string, Asker>;
}

export type MayAsk =
  | { readonly ok: true; readonly asker: Asker }
  | { readonly ok: false; readonly code: "BAD_REQUEST" | "FORBIDDEN"; readonly reason: string };

/**
 * Whether the nkey that a question names may ask it, by the keyring's own list: the bus's permissions are the first lock,
 * this is the second. That the question is that nkey's own, its signature says, which is checked next.
 * @param subjectProvider the provider of the subject that the question came on
 */
export function mayAsk(question: GrantQuestion, subjectProvider: string, served: Served): MayAsk {
  const { env, provider, intent } = question;
  if (env !== served.env) return refuse("BAD_REQUEST", "another environment");
  if (provider !== subjectProvider) return refuse("BAD_REQUEST", "the subject names another provider");
  if (!served.providers.includes(provider)) return refuse("BAD_REQUEST", "a provider that is not served");
  if (!served.intents.includes(intent)) return refuse("BAD_REQUEST", "an intent that is not served");
  const asker = served.askers.get(question.asker);
  if (asker === undefined) return refuse("FORBIDDEN", "an nkey that is not on the list");
  if (!asker.providers.includes(provider)) return refuse("FORBIDDEN", "a provider that is not the asker's");
  if (asker.intents !== undefined && !asker.intents.includes(intent)) {
    return refuse("FORBIDDEN", "an intent that is not the asker's");
  }
  return { ok: true, asker };
}

function refuse(code: "BAD_REQUEST" | "FORBIDDEN", reason: string): MayAsk {
  return { ok: false, code, reason };
}
