import type { JetStreamLimits, Permissions, UserGrant } from "@scbe/contracts";
import type { JwtClaims } from "./jwt.ts";

/** A scope with the public nkey of its signing key. */
export interface KeyedScope {
  readonly name: string;
  readonly nkey: string;
  readonly permissions: Permissions;
}

/** What an account's JWT says. */
export interface AccountSpec {
  readonly name: string;
  readonly nkey: string;
  readonly jetstream: JetStreamLimits | undefined;
  /** The public nkey of the key that signs users with permissions of their own. */
  readonly signer: string;
  readonly scopes: readonly KeyedScope[];
  /** By public nkey: the JWTs that were issued up to that second are void. */
  readonly revoked: Readonly<Record<string, number>>;
}

/** What a user's JWT says. */
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

/** No permission may stand beside tags: the server refuses a user that has its own beside those of its scope. */
export function userClaims({ name, nkey, account, grant }: UserSpec): JwtClaims {
  const granted = "scope" in grant ? { tags: [...grant.tags] } : limitsOfUser(grant.permissions);
  return { name, sub: nkey, nats: { type: "user", issuer_account: account, ...granted } };
}

/** -1 is no limit; 0 is none, as what is missing is. Nothing is exported or imported, and no leaf node connects. */
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
 * An empty list must deny all: to the server, no list at all means that all is allowed. There must be no `resp`, not even one of zeros: to the
 * server it permits to answer any message.
 */
function limitsOfUser({ publish, subscribe }: Permissions) {
  const listed = (subjects: readonly string[]) =>
    subjects.length === 0 ? { deny: [">"] } : { allow: [...subjects] };
  return {
    ...{ pub: listed(publish), sub: listed(subscribe) },
    ...{ subs: -1, data: -1, payload: -1, allowed_connection_types: ["STANDARD"] },
  };
}
