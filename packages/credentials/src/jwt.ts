import { createHash, sign } from "node:crypto";
import type { NkeySeed } from "@scbe/bus";
import type { JetStreamLimits, Permissions, UserGrant } from "@scbe/contracts";

/** The claims of a JWT for nats-server. */
export interface JwtClaims {
  readonly name: string;
  /** The public nkey of its subject. */
  readonly sub: string;
  /** The claims of its kind. */
  readonly nats: Readonly<Record<string, unknown>> & { readonly type: "operator" | "account" | "user" };
}

/** The claims of an issued JWT. */
export interface IssuedJwt extends JwtClaims {
  /** The public nkey of its signer. */
  readonly iss: string;
  /** Unix time, in seconds. */
  readonly iat: number;
}

const HEADER = encodeJson({ typ: "JWT", alg: "ed25519-nkey" });

/**
 * A JWT in nats-server's form (version 2, `alg` is `ed25519-nkey`).
 * @param issuedAt Unix time in seconds: a revocation covers JWTs that were issued up to its own time
 */
export function encodeJwt({ name, sub, nats }: JwtClaims, issuer: NkeySeed, issuedAt: number): string {
  const claims = { iat: issuedAt, iss: issuer.publicKey, name, sub, nats: { ...nats, version: 2 } };
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("base64url");
  const signed = `${HEADER}.${encodeJson({ jti, ...claims })}`;
  return `${signed}.${sign(null, Buffer.from(signed), issuer.key).toString("base64url")}`;
}

/** The claims of a JWT in a file of ours; `undefined` for any other text. The server verifies the signature. */
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

/** True if both have the same claims, apart from the time of issue. */
export function haveSameClaims(one: string, other: string): boolean {
  const [left, right] = [readJwt(one), readJwt(other)];
  if (left === undefined || right === undefined) return false;
  return JSON.stringify({ ...left, iat: 0 }) === JSON.stringify({ ...right, iat: 0 });
}

/** A user's credentials file: its JWT and its seed. */
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

/** A scope with the public nkey of its signing key. */
export interface KeyedScope {
  readonly name: string;
  readonly nkey: string;
  readonly permissions: Permissions;
}

/** The content of an account's JWT. */
export interface AccountSpec {
  readonly name: string;
  readonly nkey: string;
  readonly jetstream: JetStreamLimits | undefined;
  /** The public nkey of the key that signs users with permissions of their own. */
  readonly signer: string;
  readonly scopes: readonly KeyedScope[];
  /** By public nkey: JWTs that were issued up to that second are void. */
  readonly revoked: Readonly<Record<string, number>>;
}

/** The content of a user's JWT. */
export interface UserSpec {
  readonly name: string;
  readonly nkey: string;
  /** The account's public nkey. */
  readonly account: string;
  readonly grant: UserGrant;
}

export function operatorClaims(name: string, nkey: string, systemAccount: string): JwtClaims {
  return { name, sub: nkey, nats: { type: "operator", system_account: systemAccount } };
}

export function accountClaims({ name, nkey, jetstream, signer, scopes, revoked }: AccountSpec): JwtClaims {
  const hasRevoked = Object.keys(revoked).length > 0;
  return {
    name,
    sub: nkey,
    nats: {
      type: "account",
      limits: limitsOf(jetstream),
      signing_keys: [signer, ...scopes.map(signingKeyOf)],
      ...(hasRevoked && { revocations: { ...revoked } }),
    },
  };
}

/** A user with tags has no permissions: the server refuses a user that has its own beside those of its scope. */
export function userClaims({ name, nkey, account, grant }: UserSpec): JwtClaims {
  const granted = "scope" in grant ? { tags: [...grant.tags] } : limitsOfUser(grant.permissions);
  return { name, sub: nkey, nats: { type: "user", issuer_account: account, ...granted } };
}

/** -1: no limit; 0, or a missing field: not allowed. Accounts export and import nothing, and no leaf node connects. */
function limitsOf(jetstream: JetStreamLimits | undefined): Record<string, number | boolean> {
  return {
    ...{ subs: -1, data: -1, payload: -1, conn: -1 },
    ...{ imports: 0, exports: 0, leaf: 0, wildcards: true, disallow_bearer: true },
    ...(jetstream && {
      ...{ mem_storage: 0, disk_storage: -1, max_bytes_required: true },
      ...{ streams: jetstream.streams, consumer: jetstream.consumers },
    }),
  };
}

function signingKeyOf({ name, nkey, permissions }: KeyedScope) {
  return { kind: "user_scope", key: nkey, role: name, template: limitsOfUser(permissions) };
}

/**
 * An empty list must deny everything: for the server, a missing list allows everything. There must be no `resp`, not even one of zeros: for the
 * server it permits an answer to any message.
 */
function limitsOfUser({ publish, subscribe }: Permissions) {
  const listed = (subjects: readonly string[]) =>
    subjects.length === 0 ? { deny: [">"] } : { allow: [...subjects] };
  return {
    ...{ pub: listed(publish), sub: listed(subscribe) },
    ...{ subs: -1, data: -1, payload: -1, allowed_connection_types: ["STANDARD"] },
  };
}

function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
