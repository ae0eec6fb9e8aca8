import { createHash, timingSafeEqual } from "node:crypto";
import { Name } from "@scbe/contracts";
import { z } from "zod";

/** What the holder of a token may do. */
export const ROLES = ["admin", "emergency", "alertmanager"] as const;
export type Role = (typeof ROLES)[number];

/** The variables that hold one token each; its name is that of its role. */
export const TOKEN_VARIABLES = {
  admin: "ADMIN_TOKEN",
  emergency: "EMERGENCY_TOKEN",
  alertmanager: "SCBE_ALERTMANAGER_TOKEN",
} as const satisfies Readonly<Record<Role, string>>;

/** The values of those that are set, as the configuration has them. */
export type TokenValues = { readonly [V in (typeof TOKEN_VARIABLES)[Role]]?: string | undefined };

/** The name of a token, which stands in the audit as `by`, and what its holder may do. */
export interface Holder {
  readonly name: string;
  readonly role: Role;
}

/** Knows tokens by their digests; the tokens themselves are not kept. */
export interface Tokens {
  /** Whose token is in an `authorization` header, or why there is none. */
  judge(authorization: string | undefined): TokenJudgement;
}

export type TokenJudgement =
  | { readonly ok: true; readonly holder: Holder }
  | { readonly ok: false; readonly reason: "missing" | "no-bearer" | "unknown" };

/** Names by which the audit knows programs: a token of that name could pass for one. */
const RESERVED: readonly string[] = [...ROLES, "canary", "operator", "rollback-controller"];

const Entry = z.strictObject({
  name: Name.refine((name) => !RESERVED.includes(name), { error: "is reserved" }),
  role: z.enum(ROLES, { error: `expected one of ${ROLES.join(", ")}` }),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: "expected 64 hexadecimal digits in lower case" }),
});
const ENTRIES_MAX = 256;
const Entries = z.array(Entry).max(ENTRIES_MAX, { error: `expected at most ${ENTRIES_MAX} entries` });
export type TokenEntry = z.infer<typeof Entry>;

/** The entries of a file of tokens. @throws Error that says what is wrong with it */
export function readTokenEntries(text: string): readonly TokenEntry[] {
  const read = Entries.safeParse(parseJson(text));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`${issue?.path.join(".") || "the file"}: ${issue?.message}`);
}

/**
 * All tokens that are valid now. Compared are digests, all of them each time: the time tells neither how much of a token was right, nor
 * whose it is.
 */
export class TokenBook implements Tokens {
  readonly #own: readonly Known[];
  #named: readonly Known[] = [];

  constructor(values: TokenValues) {
    this.#own = ROLES.flatMap((role) => {
      const value = values[TOKEN_VARIABLES[role]];
      return value === undefined ? [] : [{ holder: { name: role, role }, digest: digestOf(value) }];
    });
  }

  /**
   * Takes the named tokens in place of those before.
   * @throws Error when a name or a token stands there twice: a token with two names would have the rights of both
   */
  use(entries: readonly TokenEntry[]): void {
    const named = entries.map(({ name, role, sha256 }) => ({
      holder: { name, role },
      digest: Buffer.from(sha256, "hex"),
    }));
    const seen = new Map(this.#own.map(({ holder, digest }) => [digest.toString("hex"), holder.name]));
    const names = new Set<string>();
    for (const { holder, digest } of named) {
      const twin = seen.get(digest.toString("hex"));
      if (twin !== undefined) throw new Error(`${holder.name} has the same token as ${twin}`);
      if (names.has(holder.name)) throw new Error(`${holder.name} stands there twice`);
      seen.set(digest.toString("hex"), holder.name);
      names.add(holder.name);
    }
    this.#named = named;
  }

  /** True while no token at all is valid. */
  get isEmpty(): boolean {
    return this.#own.length === 0 && this.#named.length === 0;
  }

  judge(authorization: string | undefined): TokenJudgement {
    if (authorization === undefined) return { ok: false, reason: "missing" };
    const presented = BEARER.exec(authorization)?.[1];
    if (presented === undefined) return { ok: false, reason: "no-bearer" };
    const digest = digestOf(presented);
    const found = [...this.#own, ...this.#named].filter((token) => timingSafeEqual(token.digest, digest));
    return found[0] === undefined ? { ok: false, reason: "unknown" } : { ok: true, holder: found[0].holder };
  }
}

interface Known {
  readonly holder: Holder;
  readonly digest: Buffer;
}

/** RFC 6750: one token after the scheme, whose case does not matter (RFC 9110, 11.1). */
const BEARER = /^bearer +([\x21-\x7e]{1,1024})$/i;

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("the file is not JSON");
  }
}
