import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ScbeError } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { watchGauge } from "@scbe/runtime";
import { fastify } from "fastify";
import { type ApiMetrics, apiMetrics } from "./api-metrics.ts";
import type { ApiPorts } from "./api-ports.ts";
import { type ConnectionLimits, Connections } from "./connections.ts";
import { controlApi } from "./control-api.ts";
import { hostCheck } from "./host-check.ts";
import { Refusal } from "./refusal.ts";
import { type ServerTls, serverTls } from "./server-tls.ts";

export interface ApiServerOptions {
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  /** Names and addresses that requests may be for, beside loopback and the one that it listens on. */
  readonly hosts: readonly string[];
  /** Absent: plain HTTP. */
  readonly tls?: ServerTls;
  readonly ports: ApiPorts;
  readonly metrics: MetricsRegistry;
  /** Other limits than the server's own. */
  readonly limits?: Partial<ServerLimits>;
}

export interface ServerLimits extends ConnectionLimits {
  /** Until a request's header is here, from the opening of the connection or the end of the request before. */
  readonly headersMs: number;
  /** Until all of it is here. */
  readonly requestMs: number;
}

export interface ApiServer extends AsyncDisposable {
  readonly port: number;
}

const LIMITS: ServerLimits = { total: 512, peer: 128, token: 64, headersMs: 5000, requestMs: 15_000 };
const HEADER_BYTES_MAX = 8192;
/** A connection on which nothing moves: longer than any answer takes. */
const IDLE_MS = 30_000;
const KEEP_ALIVE_MS = 5000;
/** A client that is told what is wrong reads it before its connection is reset. */
const LINGER_MS = 1000;

/**
 * The control API on a listener of its own. Strangers can neither hold its connections, nor use up the requests of a token's holder, and
 * whatever is refused is told as `{code, title}`.
 * @throws ScbeError CONFLICT when it cannot listen there, BAD_REQUEST for TLS files that cannot be used
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { host, port, hosts, tls, ports, metrics } = options;
  const limits = { ...LIMITS, ...options.limits };
  await using stack = new AsyncDisposableStack();
  const shown = apiMetrics(metrics, ports.log);
  const connections = new Connections(limits, (why) => shown.closed(why));
  stack.use(watchGauge(metrics, "scbe_control_api_connections", () => readings(connections)));
  const isOurs = hostCheck({ host, hosts });
  const context = tls && stack.use(serverTls(tls, ports));
  let server: Server | undefined;
  const api = fastify({
    logger: false,
    return503OnClosing: false,
    serverFactory: (routes) => {
      server = listener(limits, context, (request, response) => {
        shown.follow(request, response);
        const wrong = misdirected(request, isOurs);
        if (wrong === undefined) routes(request, response);
        else send(response, wrong);
      });
      return server;
    },
    clientErrorHandler: (error, socket) => answerRaw(socket, ofClientError(error), shown),
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = Refusal.of(error) ?? Refusal.defect();
      // Its type knows no generic answer.
      void (reply as unknown as { code(status: number): { send(body: unknown): void } })
        .code(status)
        .send(body);
    },
  });
  const sockets = new RawSockets();
  await controlApi(api, ports, (request, token) =>
    connections.authenticated(sockets.of(request.socket), token),
  );
  await api.ready();
  if (server === undefined) throw new ScbeError("INTERNAL", "fastify has made no server");
  server.on("connection", (socket: Socket) => {
    sockets.opened(socket);
    connections.opened(socket);
  });
  server.on("checkExpectation", (_request, response: ServerResponse) =>
    send(
      response,
      new Refusal(417, { code: "BAD_REQUEST", title: "no expectation but 100-continue is met" }),
    ),
  );
  server.on("connect", (_request, socket: Duplex) => answerRaw(socket, notAllowed(), shown));
  context?.follow(server);
  const listening = server;
  stack.defer(() => close(listening));
  stack.defer(() => api.close());
  await listen(listening, host, port);
  const held = stack.move();
  return {
    port: (listening.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function listener(
  { headersMs, requestMs }: ServerLimits,
  tls: { readonly options: object } | undefined,
  onRequest: RequestListener,
): Server {
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(headersMs / 5),
    keepAliveTimeout: KEEP_ALIVE_MS,
    // It is looked at with the name that it brings: node's own answer has no body.
    requireHostHeader: false,
  };
  const server =
    tls === undefined
      ? createServer(options, onRequest)
      : createTlsServer({ ...options, ...tls.options, handshakeTimeout: headersMs }, onRequest);
  return server.setTimeout(IDLE_MS);
}

function misdirected(
  { url, headers: { host }, socket }: IncomingMessage,
  isOurs: ReturnType<typeof hostCheck>,
): Refusal | undefined {
  if (host === undefined)
    return new Refusal(400, { code: "BAD_REQUEST", title: "the request has no Host header" });
  // A whole URL in its place would bring another host along.
  if (url?.startsWith("/") !== true)
    return new Refusal(400, { code: "BAD_REQUEST", title: "the target of the request is no path" });
  if (isOurs(host, socket.localAddress)) return undefined;
  const title =
    "this server is not meant by that Host header; SCBE_CONTROL_API_HOSTS names those that it has";
  return new Refusal(421, { code: "MISDIRECTED", title });
}

/** What node's parser and its timers refuse, before there is a request. */
function ofClientError(error: Error & { readonly code?: string }): Refusal | undefined {
  switch (error.code) {
    case "ECONNRESET":
      return undefined;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new Refusal(408, { code: "TIMEOUT", title: "the request did not arrive in time" });
    case "HPE_HEADER_OVERFLOW":
      return new Refusal(431, {
        code: "TOO_LARGE",
        title: `the header has more than ${HEADER_BYTES_MAX} bytes`,
      });
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new Refusal(413, { code: "TOO_LARGE", title: "the chunks' extensions are too large" });
    default:
      return new Refusal(400, { code: "BAD_REQUEST", title: "this is no HTTP request that can be read" });
  }
}

function notAllowed(): Refusal {
  return new Refusal(405, { code: "METHOD_NOT_ALLOWED", title: "this server is no proxy" });
}

function send(response: ServerResponse, { status, body, headers }: Refusal): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { ...headers, ...headersOf(text), connection: "close" }).end(text);
}

const ANSWERED = new WeakSet<Duplex>();

/** Answers where there is no response object; once, and only where nothing of another answer has gone out. */
function answerRaw(socket: Duplex, refusal: Refusal | undefined, shown: ApiMetrics): void {
  if (ANSWERED.has(socket)) return;
  if (refusal === undefined || !socket.writable || shown.isAnswering(socket)) {
    socket.destroy();
    return;
  }
  ANSWERED.add(socket);
  const { status, body } = refusal;
  shown.refused(status);
  const text = JSON.stringify(body);
  const headers = Object.entries({ ...headersOf(text), connection: "close" });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n${text}`);
  socket.on("error", () => undefined).resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function headersOf(text: string): Record<string, string> {
  return {
    "content-type": "application/json; charset=utf-8",
    "content-length": `${Buffer.byteLength(text)}`,
  };
}

/** The sockets on which TCP connections came in, also those below TLS; two that are open have never the same ends. */
class RawSockets {
  readonly #sockets = new Map<string, Socket>();

  opened(socket: Socket): void {
    const key = keyOf(socket);
    this.#sockets.set(key, socket);
    socket.once("close", () => {
      if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
    });
  }

  of(socket: Socket): Socket {
    return this.#sockets.get(keyOf(socket)) ?? socket;
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function readings({ counts }: Connections) {
  return [
    [{ state: "anonymous" }, counts.anonymous],
    [{ state: "authenticated" }, counts.authenticated],
  ] as const;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
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

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
