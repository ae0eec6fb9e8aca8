import { createHash, sign } from "node:crypto";
import type { NkeySeed } from "@scbe/bus";

/** What every JWT of nats-server says, beside its own claims. */
export interface JwtClaims {
  readonly name: string;
  /** The public nkey that it is about. */
  readonly sub: string;
  /** What the kind of JWT says. */
  readonly nats: Readonly<Record<string, unknown>> & { readonly type: "operator" | "account" | "user" };
}

/** A JWT as it was issued. */
export interface IssuedJwt extends JwtClaims {
  /** The public nkey that has signed it. */
  readonly iss: string;
  /** Unix time, in seconds. */
  readonly iat: number;
}

const HEADER = encodeJson({ typ: "JWT", alg: "ed25519-nkey" });

/**
 * A JWT as nats-server takes it (version 2, `alg` is `ed25519-nkey`).
 * @param issuedAt Unix time in seconds: a revocation covers what was issued up to its own
 */
export function encodeJwt({ name, sub, nats }: JwtClaims, issuer: NkeySeed, issuedAt: number): string {
  const claims = { iat: issuedAt, iss: issuer.publicKey, name, sub, nats: { ...nats, version: 2 } };
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("base64url");
  const signed = `${HEADER}.${encodeJson({ jti, ...claims })}`;
  return `${signed}.${sign(null, Buffer.from(signed), issuer.key).toString("base64url")}`;
}

/** What a JWT in a file of ours says; `undefined` when it is none. Its signature is for the server to verify. */
export function readJwt(jwt: string): IssuedJwt | undefined {
  try {
    const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"));
    const { name, sub, iss, iat, nats } = claims as IssuedJwt;
    const isWhole = [name, sub, iss].every((text) => typeof text === "string") && Number.isSafeInteger(iat);
    return isWhole && typeof nats === "object" && nats !== null ? { name, sub, iss, iat, nats } : undefined;
  } catch {
    return undefined;
  }
}

/** True when both say the same, whenever they were issued. */
export function sayTheSame(one: string, other: string): boolean {
  const [left, right] = [readJwt(one), readJwt(other)];
  if (left === undefined || right === undefined) return false;
  return JSON.stringify({ ...left, iat: 0 }) === JSON.stringify({ ...right, iat: 0 });
}

/** A credentials file of a user: its JWT and its seed. */
export function renderCreds(jwt: string, seed: string): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

The seed below is secret: a process that has it is this user.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
}

function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
