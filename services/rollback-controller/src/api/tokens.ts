import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { Name, ScbeError } from "@scbe/contracts";
import { followFile, type Logger, type Readiness } from "@scbe/runtime";
import { z } from "zod";

/** What a token permits. */
export const ROLES = ["admin", "emergency", "alertmanager"] as const;
export type Role = (typeof ROLES)[number];

/** The variables that hold one token each; such a token has the name of its role. */
export const TOKEN_VARIABLES = {
  admin: "ADMIN_TOKEN",
  emergency: "EMERGENCY_TOKEN",
  alertmanager: "SCBE_ALERTMANAGER_TOKEN",
} as const satisfies Readonly<Record<Role, string>>;

/** The values of the variables that are set. */
export type TokenValues = { readonly [V in (typeof TOKEN_VARIABLES)[Role]]?: string | undefined };

/** A token's name, which the audit has as `by`, and its role. */
export interface Holder {
  readonly name: string;
  readonly role: Role;
}

/** Knows tokens by their digests, and does not keep the tokens themselves. */
export interface Tokens {
  /** The holder of the token in an `authorization` header, or why there is none. */
  judge(authorization: string | undefined): TokenJudgement;
}

export type TokenJudgement =
  | { readonly ok: true; readonly holder: Holder }
  | { readonly ok: false; readonly reason: "missing" | "no-bearer" | "unknown" };

/**
 * All tokens that are valid now. Each judgement compares the digests of all tokens, so that its duration shows neither how much of a
 * token was right nor which token it was.
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
   * Replaces the named tokens.
   * @throws Error when a name or a token occurs twice: a token with two names would have the rights of both
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
      if (names.has(holder.name)) throw new Error(`${holder.name} occurs twice`);
      seen.set(digest.toString("hex"), holder.name);
      names.add(holder.name);
    }
    this.#named = named;
  }

  /** True while no token is valid. */
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

/** The entries of a file of tokens. @throws Error that names the problem */
export function readTokenEntries(text: string): readonly TokenEntry[] {
  const read = Entries.safeParse(parseJson(text));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`${issue?.path.join(".") || "the file"}: ${issue?.message}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("the file is not JSON");
  }
}

const FILE_BYTES_MAX = 256 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

/** The name of the tokens on `/readyz`. */
const DEPENDENCY = "api tokens";
const NONE = "no token is set: the control API refuses every request that needs one";

interface Reports {
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
}

/** Shows on `/readyz` that a book is in use. A book without tokens is a note there, and a warning in the log. */
export function showTokens(book: Pick<TokenBook, "isEmpty">, { log, readiness }: Reports): void {
  readiness.set(DEPENDENCY, { ok: true, ...(book.isEmpty && { note: NONE }) });
  if (book.isEmpty)
    log.warn(`${NONE}; set ADMIN_TOKEN, EMERGENCY_TOKEN or SCBE_API_TOKENS_FILE (docs/control-api.md)`);
}

/**
 * Loads the named tokens of a file into a book, now and after each change of the file. After a change that is not usable, the tokens
 * before stay valid; `/readyz` and the log say so.
 * @throws ScbeError BAD_REQUEST for a file that is not usable now
 */
export function followTokenFile(file: string, book: TokenBook, { log, readiness }: Reports): Disposable {
  const load = (): void => book.use(readTokenEntries(readTokenFile(file)));
  try {
    load();
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", `SCBE_API_TOKENS_FILE: ${messageOf(cause)}`, { cause });
  }
  return followFile(file, () => {
    try {
      load();
      log.info("the file of named tokens was read again");
      showTokens(book, { log, readiness });
    } catch (error) {
      const note = `SCBE_API_TOKENS_FILE was changed and cannot be used: ${messageOf(error)}; the tokens before are valid`;
      readiness.set(DEPENDENCY, { ok: true, note });
      log.error(note);
    }
  });
}

/** @throws Error */
function readTokenFile(file: string): string {
  const { size, mode } = statSync(file);
  if (size > FILE_BYTES_MAX) throw new Error(`the file has more than ${FILE_BYTES_MAX} bytes`);
  if (process.platform !== "win32" && (mode & WRITABLE_BY_OTHERS) !== 0)
    throw new Error("others may write the file; expected mode 0644 or less");
  return readFileSync(file, "utf8");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
