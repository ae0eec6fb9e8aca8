import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { API_REFUSED_STATUSES, ScbeError } from "@scbe/contracts";
import { counter, type Logger, type MetricsRegistry, watchGauge } from "@scbe/runtime";
import { fastify } from "fastify";
import { type ClosedWhy, type ConnectionLimits, Connections, RawSockets } from "./connections.ts";
import { controlApi } from "./control-api.ts";
import {
  closeListener,
  createListener,
  HEADER_BYTES_MAX,
  hostCheck,
  type ListenerLimits,
  listen,
  misdirected,
  readCertificate,
  type ServerTls,
} from "./listener.ts";
import { Refusal } from "./refusal.ts";
import type { ApiPorts } from "./route.ts";

export interface ApiServerOptions {
  readonly host: string;
  /** 0: any free port */
  readonly port: number;
  /** Names and addresses that a request's Host may have, beside loopback and the address that it arrived at. */
  readonly hosts: readonly string[];
  /** Absent: plain HTTP. */
  readonly tls?: ServerTls;
  readonly ports: ApiPorts;
  readonly metrics: MetricsRegistry;
  /** Replaces some of the default limits. */
  readonly limits?: Partial<ServerLimits>;
}

export interface ServerLimits extends ConnectionLimits, ListenerLimits {}

export interface ApiServer extends AsyncDisposable {
  readonly port: number;
}

const LIMITS: ServerLimits = { total: 512, peer: 128, token: 64, headersMs: 5000, requestMs: 15_000 };

/**
 * The control API on a listener of its own. Clients without a token can neither hold its connections nor use up the rate of a token. Every
 * refusal has a body `{code, title}`.
 * @throws ScbeError CONFLICT when it cannot listen there, BAD_REQUEST for TLS files that are not usable
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { host, port, hosts, tls, ports, metrics } = options;
  const limits = { ...LIMITS, ...options.limits };
  await using stack = new AsyncDisposableStack();
  const observed = new Observations(metrics, ports.log);
  const connections = new Connections(limits, (why) => observed.closed(why));
  stack.use(watchGauge(metrics, "scbe_control_api_connections", () => readings(connections)));
  const isOurs = hostCheck({ host, hosts });
  const certificate = tls && stack.use(readCertificate(tls, ports));
  let server: Server | undefined;
  const api = fastify({
    logger: false,
    return503OnClosing: false,
    serverFactory: (routes) => {
      server = createListener(limits, certificate, (request, response) => {
        observed.follow(request, response);
        const wrong = misdirected(request, isOurs);
        if (wrong === undefined) routes(request, response);
        else send(response, wrong);
      });
      return server;
    },
    clientErrorHandler: (error, socket) => answerRaw(socket, ofClientError(error), observed),
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = Refusal.of(error) ?? Refusal.defect();
      // The type of this reply permits no body of ours.
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
      new Refusal(417, { code: "BAD_REQUEST", title: "the server meets no expectation but 100-continue" }),
    ),
  );
  server.on("connect", (_request, socket: Duplex) => answerRaw(socket, notAllowed(), observed));
  certificate?.follow(server);
  const listening = server;
  stack.defer(() => closeListener(listening));
  stack.defer(() => api.close());
  await listen(listening, host, port);
  const held = stack.move();
  return {
    port: (listening.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function readings({ counts }: Connections) {
  return [
    [{ state: "anonymous" }, counts.anonymous],
    [{ state: "authenticated" }, counts.authenticated],
  ] as const;
}

/** The refusal for what Node's parser and timers reject, before there is a request. */
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

/** Time for a client to read a refusal before its connection is reset. */
const LINGER_MS = 1000;
const ANSWERED = new WeakSet<Duplex>();

/** Answers where there is no response object: once, and only where no byte of another answer was sent. */
function answerRaw(socket: Duplex, refusal: Refusal | undefined, observed: Observations): void {
  if (ANSWERED.has(socket)) return;
  if (refusal === undefined || !socket.writable || observed.isAnswering(socket)) {
    socket.destroy();
    return;
  }
  ANSWERED.add(socket);
  const { status, body } = refusal;
  observed.refused(status);
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

const WARN_EVERY_MS = 10_000;

/** Counts refusals by status, and connections that the server closes; knows which connections have an answer under way. */
class Observations {
  readonly #refusals: ReturnType<typeof counter<"scbe_control_api_refused_total">>;
  readonly #closings: ReturnType<typeof counter<"scbe_control_api_connections_closed_total">>;
  readonly #answers = new WeakMap<Duplex, ServerResponse>();
  readonly #log: Logger;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(registry: MetricsRegistry, log: Logger) {
    this.#refusals = counter(registry, "scbe_control_api_refused_total");
    this.#closings = counter(registry, "scbe_control_api_connections_closed_total");
    this.#log = log;
  }

  /** Counts the answer to a request once it is sent. */
  follow(request: IncomingMessage, response: ServerResponse): void {
    this.#answers.set(request.socket, response);
    response.once("finish", () => this.refused(response.statusCode));
  }

  refused(status: number): void {
    if (status < 400) return;
    this.#refusals.inc({ status: API_REFUSED_STATUSES.find((it) => it === `${status}`) ?? "another" });
  }

  closed(why: ClosedWhy): void {
    this.#closings.inc({ why });
    const now = performance.now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = now;
    this.#log.warn({ why }, "the control API closes connections, since there are too many");
  }

  /** True while an answer is under way on that connection. */
  isAnswering(socket: Duplex): boolean {
    const answer = this.#answers.get(socket);
    return answer?.headersSent === true && !answer.writableFinished;
  }
}
