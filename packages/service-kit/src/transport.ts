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
}
