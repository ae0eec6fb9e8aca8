import type { StoreAccount, StoreRole } from "@scbe/contracts";

/** How to reach NATS and who to be there. At most one of `credsFile` and `nkeySeedFile`; neither: an open server. */
export interface Transport {
  /** `nats://host:port` or `tls://host:port`; any of them that answers will do. */
  readonly servers: readonly string[];
  /** Path of a credentials file (JWT and seed). */
  readonly credsFile?: string;
  /** Path of a file that holds an nkey seed. */
  readonly nkeySeedFile?: string;
  readonly tlsCaFile?: string;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  /** The user's role, which its inbox carries; its name unless told, as services have it. */
  readonly role?: string;
}

/** How a service reaches the account of its store, and as which of that account's users. */
export interface StoreTransport extends Omit<Transport, "role"> {
  readonly account: StoreAccount;
  /** `store` unless told. */
  readonly user?: StoreRole;
}
