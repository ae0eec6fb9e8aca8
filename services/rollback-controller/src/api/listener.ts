import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { ScbeError } from "@scbe/contracts";
import { followFile, type Logger, type Readiness } from "@scbe/runtime";
import { Refusal } from "./refusal.ts";

export interface ListenerLimits {
  /** For a request's header, from the opening of the connection or the end of the request before. */
  readonly headersMs: number;
  /** For the whole request. */
  readonly requestMs: number;
}

export const HEADER_BYTES_MAX = 8192;
/** A connection without traffic for this long is closed: longer than any answer takes. */
const IDLE_MS = 30_000;
const KEEP_ALIVE_MS = 5000;

/** An HTTP server, or an HTTPS server with a certificate. It does not listen yet. */
export function createListener(
  { headersMs, requestMs }: ListenerLimits,
  certificate: Certificate | undefined,
  onRequest: RequestListener,
): Server {
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(headersMs / 5),
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Checked by `misdirected`: Node's own answer has no body.
    requireHostHeader: false,
  };
  const server =
    certificate === undefined
      ? createServer(options, onRequest)
      : createTlsServer({ ...options, ...certificate.options, handshakeTimeout: headersMs }, onRequest);
  return server.setTimeout(IDLE_MS);
}

/** @throws ScbeError CONFLICT when it cannot listen there */
export async function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen({ host, port }, resolve);
  try {
    await promise;
  } catch (cause) {
    const isTaken = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
    const why = isTaken
      ? "is taken; set SCBE_CONTROL_API_PORT to a free one"
      : "cannot be listened on (SCBE_CONTROL_API_HOST, SCBE_CONTROL_API_PORT)";
    throw new ScbeError("CONFLICT", `control API ${host}:${port} ${why}`, { cause });
  } finally {
    server.off("error", reject);
  }
}

/** Stops listening and ends all connections. */
export async function closeListener(server: Server): Promise<void> {
  if (!server.listening) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}

/** PEM files. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Certificate extends Disposable {
  readonly options: { readonly cert: Buffer; readonly key: Buffer; readonly minVersion: "TLSv1.2" };
  /** Renews the server's certificate whenever its files change. */
  follow(server: Server): void;
}

const CERTIFICATE_DEPENDENCY = "control API certificate";

/**
 * The certificate in the files. After a change that is not usable, the certificate before stays; `/readyz` and the log say so.
 * @throws ScbeError BAD_REQUEST for files that are not usable now
 */
export function readCertificate(
  tls: ServerTls,
  { log, readiness }: { readonly log: Logger; readonly readiness: Pick<Readiness, "set"> },
): Certificate {
  const stack = new DisposableStack();
  return {
    options: { ...readPair(tls), minVersion: "TLSv1.2" },
    follow: (server) => {
      const renew = (): void => {
        try {
          const current = readPair(tls);
          if (server instanceof TlsServer) server.setSecureContext({ ...current, minVersion: "TLSv1.2" });
          readiness.set(CERTIFICATE_DEPENDENCY, { ok: true });
          log.info("the control API uses the certificate that its files hold now");
        } catch (error) {
          const note = "its files were changed and cannot be used; the one before is in use";
          readiness.set(CERTIFICATE_DEPENDENCY, { ok: true, note });
          log.error({ err: error }, `certificate of the control API: ${note}`);
        }
      };
      for (const file of [tls.certFile, tls.keyFile]) stack.use(followFile(file, renew));
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
}

function readPair({ certFile, keyFile }: ServerTls): { readonly cert: Buffer; readonly key: Buffer } {
  try {
    const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    const title = "SCBE_CONTROL_API_TLS_CERT and SCBE_CONTROL_API_TLS_KEY hold no certificate and its key";
    throw new ScbeError("BAD_REQUEST", title, { cause });
  }
}

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
/** A name or an address, an IPv6 one in brackets, and an optional port. */
const HOST = /^(?:\[([0-9a-f:.]+)\]|([^:/?#@\s[\]]+))(?::\d{1,5})?$/i;

export interface HostRules {
  /** The address on which the server listens. */
  readonly host: string;
  /** Further names and addresses. */
  readonly hosts: readonly string[];
}

/** True for a `Host` header that names this server. `localAddress` is the address at which the connection arrived. */
export type HostCheck = (header: string, localAddress: string | undefined) => boolean;

/**
 * Accepts loopback names, the address that the server listens on, the address at which the connection arrived, and the configured names. A
 * web page whose name an attacker made resolve to this server (DNS rebinding) sends that name, which is none of them.
 */
export function hostCheck({ host, hosts }: HostRules): HostCheck {
  const known = new Set([...LOOPBACK, host, ...hosts].map(plainName));
  return (header, localAddress) => {
    const [, address, name] = HOST.exec(header) ?? [];
    const asked = plainName(address ?? name ?? "");
    if (asked === "") return false;
    return known.has(asked) || (isIP(asked) !== 0 && asked === plainName(localAddress ?? ""));
  };
}

/** In lower case, without the final dot of a full name, and without the prefix of an IPv4 address on an IPv6 socket. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/^::ffff:(?=\d+\.)/, "");
}

/** The refusal of a request that names no host, or another one than this server. */
export function misdirected(
  { url, headers: { host }, socket }: IncomingMessage,
  isOurs: HostCheck,
): Refusal | undefined {
  if (host === undefined)
    return new Refusal(400, { code: "BAD_REQUEST", title: "the request has no Host header" });
  // An absolute URL would name a second host.
  if (url?.startsWith("/") !== true)
    return new Refusal(400, { code: "BAD_REQUEST", title: "the target of the request is no path" });
  if (isOurs(host, socket.localAddress)) return undefined;
  const title =
    "the Host header does not name this server; SCBE_CONTROL_API_HOSTS lists the names that it accepts";
  return new Refusal(421, { code: "MISDIRECTED", title });
}
