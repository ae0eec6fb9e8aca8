import { createHash, timingSafeEqual } from "node:crypto";

/** The tokens by the names of their variables, and what each may do. */
export const TOKEN_NAMES = ["ADMIN_TOKEN", "EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"] as const;
export type TokenName = (typeof TOKEN_NAMES)[number];

/** The values of those that are set, as the configuration has them. */
export type TokenValues = { readonly [K in TokenName]?: string | undefined };

/** Knows tokens by their digests; the tokens themselves are not kept. */
export interface Tokens {
  /** The name of the token in an `authorization` header, or why there is none. */
  judge(authorization: string | undefined): TokenJudgement;
}

export type TokenJudgement =
  | { readonly ok: true; readonly name: TokenName }
  | { readonly ok: false; readonly reason: "missing" | "no-bearer" | "unknown" };

/** Compared are digests, all of them each time: the time tells neither how much of a token was right, nor whose it is. */
export function tokens(values: TokenValues): Tokens {
  const known = TOKEN_NAMES.flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [{ name, digest: digestOf(value) }];
  });
  return {
    judge: (authorization) => {
      if (authorization === undefined) return { ok: false, reason: "missing" };
      const presented = BEARER.exec(authorization)?.[1];
      if (presented === undefined) return { ok: false, reason: "no-bearer" };
      const digest = digestOf(presented);
      const owners = known.filter((token) => timingSafeEqual(token.digest, digest));
      return owners[0] === undefined ? { ok: false, reason: "unknown" } : { ok: true, name: owners[0].name };
    },
  };
}

/** RFC 6750: one token after the scheme, whose case does not matter (RFC 9110, 11.1). */
const BEARER = /^bearer +([\x21-\x7e]{1,1024})$/i;

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
