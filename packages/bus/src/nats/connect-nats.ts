import { setTimeout as delay } from "node:timers/promises";
import { inboxPrefixOf, isScbeError, ScbeError } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { type Authenticator, type ConnectionOptions, connect, type NatsConnection, NatsError } from "nats";
import type { StoreTransport, Transport } from "../transport.ts";
import { type AuthoritySetting, certificateProblem } from "./certificate-problem.ts";
import { toScbeError } from "./errors.ts";
import { type LoadedIdentity, loadIdentity } from "./load-identity.ts";
import { Reconnecting } from "./reconnecting.ts";
import { serverIdentity } from "./server-identity.ts";
import { versionProblem } from "./server-version.ts";

export interface LinkOptions extends Transport {
  /** The user: names the connection, and its private inbox `_INBOX.<role>.<name>`. */
  readonly name: string;
  readonly log: Logger;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** How long to try before giving up; default 30,000. */
  readonly timeoutMs?: number;
  /** How the authority of the server's certificate is set, for what is told; default `NATS_TLS_CA`. */
  readonly authoritySetting?: string;
  /** While the link is down: a server is refused, or refuses this user. The reason is for operators. */
  readonly onLinkRefused?: (reason: string) => void;
}

/** A connection of the client library, and what was agreed when it was made. */
export interface NatsLink {
  readonly connection: NatsConnection;
  readonly identity: LoadedIdentity | undefined;
  readonly inboxPrefix: string;
  /** To be told what {@link followLink} hears. */
  readonly reconnecting: Reconnecting;
  isEncrypted(): boolean;
}

/**
 * Connects to NATS; from then on the connection comes back however often the link breaks.
 * @throws ScbeError TIMEOUT, ABORTED; FORBIDDEN when the server refuses this user, offers no TLS where it is demanded, or is of a version that
 *   is not safe
 */
export async function connectNats(options: LinkOptions): Promise<NatsLink> {
  const identity = loadIdentity(options);
  const inboxPrefix = inboxPrefixOf(options.role ?? options.name, options.name);
  const reconnecting = new Reconnecting({ log: options.log, onRefused: options.onLinkRefused });
  const connection = await connectWithin(options, () => ({
    ...connectionOptions(options, inboxPrefix),
    reconnectDelayHandler: () => reconnecting.waitMs(),
    ...(identity && { authenticator: authenticate(identity, reconnecting, options.credsFile) }),
  }));
  const isEncrypted = (): boolean => isLinkEncrypted(connection);
  const problem = (): string | undefined => {
    if (demandsTls(options) && !isEncrypted()) return "it offers no TLS";
    return versionProblem(connection.info?.version ?? "");
  };
  const found = problem();
  if (found !== undefined) {
    await connection.close();
    throw new ScbeError("FORBIDDEN", `connect to NATS at ${options.servers.join(", ")}: ${found}`);
  }
  reconnecting.guard(problem);
  return { connection, identity, inboxPrefix, reconnecting, isEncrypted };
}

/** Name and role of a store's user, as {@link LinkOptions} have them. */
export function linkOfStore({ account, user = "store" }: StoreTransport): { name: string; role: string } {
  return { name: user, role: account };
}

const RETRY_MS = 250;
const DIAL_TIMEOUT_MS = 5000;

/** The library's own waiting for a first connection has no end and cannot be given up; this has both. */
async function connectWithin(options: LinkOptions, fresh: () => ConnectionOptions): Promise<NatsConnection> {
  const { servers, timeoutMs = 30_000, signal } = options;
  const doing = `connect to NATS at ${servers.join(", ")}`;
  const deadline = performance.now() + timeoutMs;
  const told = new Set<string>();
  for (;;) {
    if (signal?.aborted === true) throw new ScbeError("ABORTED", `${doing}: given up`);
    try {
      return await connect(fresh());
    } catch (error) {
      const known = toScbeError(error, doing);
      if (isScbeError(known, "FORBIDDEN")) throw known;
      const reason = reasonOf(error);
      const problem = certificateProblem(reason, authorityOf(options));
      if (performance.now() + RETRY_MS > deadline) {
        const why = `not reached within ${timeoutMs} ms (${reason})${problem === undefined ? "" : `: ${problem}`}`;
        throw new ScbeError("TIMEOUT", `${doing}: ${why}`, { cause: error });
      }
      if (!told.has(reason)) tellWaiting(options, reason, problem);
      told.add(reason);
    }
    await delay(RETRY_MS, undefined, signal && { signal }).catch(() => undefined);
  }
}

function authorityOf({ tlsCaFile, authoritySetting = "NATS_TLS_CA" }: LinkOptions): AuthoritySetting {
  return { name: authoritySetting, isSet: tlsCaFile !== undefined };
}

function tellWaiting({ servers, log }: LinkOptions, reason: string, problem: string | undefined): void {
  if (problem === undefined) log.info({ servers, reason }, "waiting for NATS");
  else log.warn({ servers, reason }, `waiting for NATS: ${problem}`);
}

/** The code of what lies beneath, where there is one: ECONNREFUSED, SELF_SIGNED_CERT_IN_CHAIN. */
function reasonOf(error: unknown): string {
  const beneath = error instanceof NatsError ? (error.chainedError ?? error) : error;
  return beneath instanceof Error && "code" in beneath ? String(beneath.code) : "no answer";
}

/** A new object each time: the library changes what it is given. */
function connectionOptions(options: LinkOptions, inboxPrefix: string): ConnectionOptions {
  return {
    servers: [...options.servers],
    name:
      options.role === undefined || options.role === options.name
        ? options.name
        : `${options.role}.${options.name}`,
    inboxPrefix,
    timeout: DIAL_TIMEOUT_MS,
    // A stack trace for each request costs half of the throughput.
    noAsyncTraces: true,
    maxReconnectAttempts: -1,
    // A user that is refused while the server reloads its configuration is let in again later.
    ignoreAuthErrorAbort: true,
    // A frozen server is noticed in three seconds.
    pingInterval: 1000,
    maxPingOut: 2,
    ...(demandsTls(options) && { tls: tlsOptions(options) }),
  };
}

/**
 * At each connect the user's JWT as the file has it then: a user that is changed gets another one, and its former one is revoked. A server that must
 * not be used is shown no credentials, and so lets nobody in: nothing is subscribed to or published there, and the library tries again.
 */
function authenticate(
  identity: LoadedIdentity,
  reconnecting: Reconnecting,
  credsFile: string | undefined,
): Authenticator {
  return (nonce) => {
    if (!reconnecting.takesServer()) return;
    const sig = Buffer.from(identity.sign(Buffer.from(nonce ?? ""))).toString("base64url");
    const jwt = credsFile === undefined ? identity.jwt : currentJwt(identity, credsFile);
    return { nkey: identity.publicKey, sig, ...(jwt !== undefined && { jwt }) };
  };
}

function currentJwt(identity: LoadedIdentity, credsFile: string): string | undefined {
  try {
    const found = loadIdentity({ credsFile });
    return found?.publicKey === identity.publicKey ? found.jwt : identity.jwt;
  } catch {
    return identity.jwt;
  }
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
