import { setTimeout as delay } from "node:timers/promises";
import { inboxPrefixOf, isScbeError, ScbeError } from "@scbe/contracts";
import type { Logger, MetricsRegistry } from "@scbe/runtime";
import { type Authenticator, type ConnectionOptions, connect, type NatsConnection, NatsError } from "nats";
import type { Bus } from "../bus.ts";
import type { StoreTransport, Transport } from "../config.ts";
import { type LoadedIdentity, loadIdentity } from "../identity.ts";
import type { StoreBus } from "../store-bus.ts";
import { toScbeError } from "./errors.ts";
import { NatsBus, type NatsBusOptions } from "./nats-bus.ts";
import { NatsStoreBus } from "./nats-store-bus.ts";
import { Reconnecting } from "./reconnecting.ts";
import {
  type AuthoritySetting,
  certificateProblem,
  serverIdentity,
  versionProblem,
} from "./server-checks.ts";

export interface LinkOptions extends Transport {
  /** The user: it names the connection, and its private inbox `_INBOX.<role>.<name>`. */
  readonly name: string;
  readonly log: Logger;
  /** Stops connecting. */
  readonly signal?: AbortSignal;
  /** How long to try before giving up; default 30,000. */
  readonly timeoutMs?: number;
  /** The setting for the authority of the server's certificate, as messages name it; default `NATS_TLS_CA`. */
  readonly authoritySetting?: string;
  /** While the link is down: a server is refused, or refuses this user. The reason is for operators. */
  readonly onLinkRefused?: (reason: string) => void;
}

export interface ConnectOptions extends LinkOptions {
  /** How long a service may take to answer the requests in flight when it is disposed of; default 5,000. */
  readonly drainTimeoutMs?: number;
  /** Gets the metrics of its endpoints. */
  readonly metrics?: MetricsRegistry;
  /** The server refused a subscription: this process cannot work until its permissions are right. */
  readonly onSubscriptionRefused?: (subject: string) => void;
}

export interface StoreConnectOptions
  extends StoreTransport,
    Pick<LinkOptions, "log" | "signal" | "timeoutMs" | "onLinkRefused"> {}

/**
 * Connects to NATS, and reconnects for as long as the bus lives.
 * @throws ScbeError TIMEOUT, ABORTED; FORBIDDEN if the server refuses this user, or offers no TLS although it is required
 */
export async function connectBus(options: ConnectOptions): Promise<Bus> {
  return new NatsBus(...(await openLink(options)));
}

/**
 * Connects a service to the account of its store.
 * @throws ScbeError as {@link connectBus} does
 */
export async function connectStore(options: StoreConnectOptions): Promise<StoreBus> {
  return new NatsStoreBus(...(await openLink({ ...options, ...linkOfStore(options) })));
}

async function openLink(options: ConnectOptions): Promise<[NatsConnection, NatsBusOptions]> {
  const { connection, ...link } = await connectNats(options);
  const busOptions: NatsBusOptions = {
    ...link,
    user: options.name,
    log: options.log,
    drainTimeoutMs: options.drainTimeoutMs ?? 5000,
    metrics: options.metrics,
    ...(options.onSubscriptionRefused && { onSubscriptionRefused: options.onSubscriptionRefused }),
  };
  return [connection, busOptions];
}

/** A connection of the client library, and what it was made with. */
export interface NatsLink {
  readonly connection: NatsConnection;
  /** The public nkey; `undefined` on an open server. */
  readonly identity: string | undefined;
  readonly inboxPrefix: string;
  /** For {@link followLink}. */
  readonly reconnecting: Reconnecting;
  isEncrypted(): boolean;
}

/**
 * Connects to NATS; from then on the library reconnects whenever the link breaks.
 * @throws ScbeError TIMEOUT, ABORTED; FORBIDDEN if the server refuses this user, offers no TLS although it is required, or has an unsafe version
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
    if (requiresTls(options) && !isEncrypted()) return "it offers no TLS";
    return versionProblem(connection.info?.version ?? "");
  };
  const found = problem();
  if (found !== undefined) {
    await connection.close();
    throw new ScbeError("FORBIDDEN", `connect to NATS at ${options.servers.join(", ")}: ${found}`);
  }
  reconnecting.guard(problem);
  return { connection, identity: identity?.publicKey, inboxPrefix, reconnecting, isEncrypted };
}

/** Name and role of a store's user, for {@link LinkOptions}. */
export function linkOfStore({ account, user = "store" }: StoreTransport): { name: string; role: string } {
  return { name: user, role: account };
}

const RETRY_MS = 250;
const DIAL_TIMEOUT_MS = 5000;

/** The first connection, with a deadline and a signal, which the library lacks. */
async function connectWithin(options: LinkOptions, fresh: () => ConnectionOptions): Promise<NatsConnection> {
  const { servers, timeoutMs = 30_000, signal } = options;
  const doing = `connect to NATS at ${servers.join(", ")}`;
  const deadline = performance.now() + timeoutMs;
  const logged = new Set<string>();
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
      if (!logged.has(reason)) logWaiting(options, reason, problem);
      logged.add(reason);
    }
    await delay(RETRY_MS, undefined, signal && { signal }).catch(() => undefined);
  }
}

function authorityOf({ tlsCaFile, authoritySetting = "NATS_TLS_CA" }: LinkOptions): AuthoritySetting {
  return { name: authoritySetting, isSet: tlsCaFile !== undefined };
}

function logWaiting({ servers, log }: LinkOptions, reason: string, problem: string | undefined): void {
  if (problem === undefined) log.info({ servers, reason }, "waiting for NATS");
  else log.warn({ servers, reason }, `waiting for NATS: ${problem}`);
}

/** The code of the underlying error, if there is one: ECONNREFUSED, SELF_SIGNED_CERT_IN_CHAIN. */
function reasonOf(error: unknown): string {
  const beneath = error instanceof NatsError ? (error.chainedError ?? error) : error;
  return beneath instanceof Error && "code" in beneath ? String(beneath.code) : "no answer";
}

/** A new object each time, since the library changes the object that it gets. */
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
    // A user that is refused while the server reloads its configuration is accepted again later.
    ignoreAuthErrorAbort: true,
    // A frozen server is noticed in three seconds.
    pingInterval: 1000,
    maxPingOut: 2,
    ...(requiresTls(options) && { tls: tlsOptions(options) }),
  };
}

/**
 * Presents the user's current JWT at each connect: a changed user gets another one, and the former one is revoked. A server that must not be used
 * gets no credentials, and so refuses the connection: nothing is subscribed or published there, and the library tries again.
 */
function authenticate(
  identity: LoadedIdentity,
  reconnecting: Reconnecting,
  credsFile: string | undefined,
): Authenticator {
  return (nonce) => {
    if (!reconnecting.acceptsServer()) return;
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

function requiresTls({ servers, tlsCaFile, tlsCertFile }: Transport): boolean {
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

/** The library upgrades to TLS if the server offers it, and has the result in private fields only; `connect.test.ts` fails if another version moves them. */
function isLinkEncrypted(connection: NatsConnection): boolean {
  const { protocol } = connection as unknown as { protocol?: { transport?: { isEncrypted?(): boolean } } };
  return protocol?.transport?.isEncrypted?.() === true;
}
