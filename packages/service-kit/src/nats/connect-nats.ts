import { setTimeout as delay } from "node:timers/promises";
import { inboxPrefixOf, isScbeError, ScbeError } from "@scbe/contracts";
import { type ConnectionOptions, connect, type NatsConnection, NatsError } from "nats";
import type { Logger } from "../logger.ts";
import type { Transport } from "../transport.ts";
import { toScbeError } from "./errors.ts";
import { type LoadedIdentity, loadIdentity } from "./load-identity.ts";
import { serverIdentity } from "./server-identity.ts";

export interface LinkOptions extends Transport {
  /** Names the connection, and its private inbox `_INBOX_<name>`: letters, digits, `-` and `_`. */
  readonly name: string;
  readonly log: Logger;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** How long to try before giving up; default 30,000. */
  readonly timeoutMs?: number;
}

/** A connection of the client library, and what was agreed when it was made. */
export interface NatsLink {
  readonly connection: NatsConnection;
  readonly identity: LoadedIdentity | undefined;
  readonly inboxPrefix: string;
  isEncrypted(): boolean;
  /** True when the link satisfies what the transport demands; to be asked again after a reconnect. */
  isAcceptable(): boolean;
}

/**
 * Connects to NATS; from then on the connection comes back however often the link breaks.
 * @throws ScbeError TIMEOUT, ABORTED; FORBIDDEN when the server refuses this user, or offers no TLS where it is demanded
 */
export async function connectNats(options: LinkOptions): Promise<NatsLink> {
  const identity = loadIdentity(options);
  const inboxPrefix = inboxPrefixOf(options.name);
  const connection = await connectWithin(options, () => connectionOptions(options, inboxPrefix, identity));
  const isEncrypted = (): boolean => isLinkEncrypted(connection);
  const isAcceptable = (): boolean => isEncrypted() || !demandsTls(options);
  if (!isAcceptable()) {
    await connection.close();
    throw new ScbeError("FORBIDDEN", `connect to NATS at ${options.servers.join(", ")}: it offers no TLS`);
  }
  return { connection, identity, inboxPrefix, isEncrypted, isAcceptable };
}

const RETRY_MS = 250;
const DIAL_TIMEOUT_MS = 5000;

/** The library's own waiting for a first connection has no end and cannot be given up; this has both. */
async function connectWithin(options: LinkOptions, fresh: () => ConnectionOptions): Promise<NatsConnection> {
  const { servers, timeoutMs = 30_000, signal } = options;
  const doing = `connect to NATS at ${servers.join(", ")}`;
  const deadline = performance.now() + timeoutMs;
  for (let tries = 0; ; tries += 1) {
    if (signal?.aborted === true) throw new ScbeError("ABORTED", `${doing}: given up`);
    try {
      return await connect(fresh());
    } catch (error) {
      const known = toScbeError(error, doing);
      if (isScbeError(known, "FORBIDDEN")) throw known;
      if (performance.now() + RETRY_MS > deadline) {
        const why = `not reached within ${timeoutMs} ms (${reasonOf(error)})`;
        throw new ScbeError("TIMEOUT", `${doing}: ${why}`, { cause: error });
      }
      if (tries === 0) options.log.info({ servers, reason: reasonOf(error) }, "waiting for NATS");
    }
    await delay(RETRY_MS, undefined, signal && { signal }).catch(() => undefined);
  }
}

/** The code of what lies beneath, where there is one: ECONNREFUSED, SELF_SIGNED_CERT_IN_CHAIN. */
function reasonOf(error: unknown): string {
  const beneath = error instanceof NatsError ? (error.chainedError ?? error) : error;
  return beneath instanceof Error && "code" in beneath ? String(beneath.code) : "no answer";
}

/** A new object each time: the library changes what it is given. */
function connectionOptions(
  options: LinkOptions,
  inboxPrefix: string,
  identity: LoadedIdentity | undefined,
): ConnectionOptions {
  return {
    servers: [...options.servers],
    name: options.name,
    inboxPrefix,
    timeout: DIAL_TIMEOUT_MS,
    // A stack trace for each request costs half of the throughput.
    noAsyncTraces: true,
    maxReconnectAttempts: -1,
    // A user that is refused while the server reloads its configuration is let in again later.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RETRY_MS,
    reconnectJitter: RETRY_MS,
    reconnectJitterTLS: RETRY_MS,
    // A frozen server is noticed in three seconds.
    pingInterval: 1000,
    maxPingOut: 2,
    ...(demandsTls(options) && { tls: tlsOptions(options) }),
    ...(identity !== undefined && { authenticator: authenticate(identity) }),
  };
}

function authenticate(identity: LoadedIdentity) {
  return (nonce?: string) => {
    const sig = Buffer.from(identity.sign(Buffer.from(nonce ?? ""))).toString("base64url");
    return { nkey: identity.publicKey, sig, ...(identity.jwt !== undefined && { jwt: identity.jwt }) };
  };
}

function demandsTls({ servers, tlsCaFile, tlsCertFile }: Transport): boolean {
  return (
    tlsCaFile !== undefined || tlsCertFile !== undefined || servers.some((url) => url.startsWith("tls://"))
  );
}

function tlsOptions({ servers, tlsCaFile, tlsCertFile, tlsKeyFile }: Transport) {
  return {
    checkServerIdentity: serverIdentity(servers),
    ...(tlsCaFile !== undefined && { caFile: tlsCaFile }),
    ...(tlsCertFile !== undefined && { certFile: tlsCertFile }),
    ...(tlsKeyFile !== undefined && { keyFile: tlsKeyFile }),
  };
}

/** The library upgrades to TLS when the server offers it, and says only in here whether it did. */
function isLinkEncrypted(connection: NatsConnection): boolean {
  const { protocol } = connection as unknown as { protocol?: { transport?: { isEncrypted?(): boolean } } };
  return protocol?.transport?.isEncrypted?.() === true;
}
