import {
  ACCESS,
  type Environment,
  type GrantRequest,
  type ListedUser,
  RESERVED_INTENT,
} from "@scbe/contracts";

/** The users of the deployment that may ask for subkeys, and for which of them. */
export interface Users {
  byNkey(nkey: string): ListedUser | undefined;
}

/** What the subject of a question says. */
export interface QuestionSubject {
  readonly user: string;
  readonly provider: string;
}

/** What this keyring serves. */
export interface Served {
  readonly env: Environment;
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  readonly users: Users;
}

/** Why not; docs/spec/envelope-v1.md, "Grants", says which check each one is. */
export type MayNotAsk =
  | "env"
  | "subject's provider"
  | "provider"
  | "intent"
  | "asker"
  | "subject's user"
  | "role"
  | "user's provider"
  | "reserved intent"
  | "user's intent";

export type MayAsk =
  | { readonly ok: true; readonly asker: ListedUser }
  | { readonly ok: false; readonly code: "BAD_REQUEST" | "FORBIDDEN"; readonly reason: MayNotAsk };

/**
 * Whether the nkey that a question names may ask it, by the keyring's own list: the bus's permissions are the first lock,
 * this is the second. That the question is that nkey's own, its signature says, which is checked next.
 */
export function mayAsk(question: GrantRequest, subject: QuestionSubject, served: Served): MayAsk {
  const { env, provider, intent } = question;
  if (env !== served.env) return refuse("BAD_REQUEST", "env");
  if (provider !== subject.provider) return refuse("BAD_REQUEST", "subject's provider");
  if (!served.providers.includes(provider)) return refuse("BAD_REQUEST", "provider");
  const isReserved = RESERVED_INTENT.test(intent);
  if (!isReserved && !served.intents.includes(intent)) return refuse("BAD_REQUEST", "intent");
  const asker = served.users.byNkey(question.asker);
  if (asker === undefined) return refuse("FORBIDDEN", "asker");
  if (asker.name !== subject.user) return refuse("FORBIDDEN", "subject's user");
  const { publishes, reservedIntents = [] } = ACCESS[asker.role];
  if (!publishes.includes("grant")) return refuse("FORBIDDEN", "role");
  if (!asker.providers.includes(provider)) return refuse("FORBIDDEN", "user's provider");
  if (isReserved && !reservedIntents.includes(intent)) return refuse("FORBIDDEN", "reserved intent");
  if (!isReserved && asker.intents?.includes(intent) === false) return refuse("FORBIDDEN", "user's intent");
  return { ok: true, asker };
}

function refuse(code: "BAD_REQUEST" | "FORBIDDEN", reason: MayNotAsk): MayAsk {
  return { ok: false, code, reason };
}
