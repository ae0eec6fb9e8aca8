import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { isScbeError, ScbeError } from "@scbe/contracts";
import type { Readiness } from "@scbe/runtime";
import { type FastifyInstance, fastify } from "fastify";
import type { Registry } from "prom-client";

export interface OpsServerOptions {
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  readonly metrics: Registry;
  readonly readiness: Readiness;
  /** A bearer token without which `/metrics` is refused; absent: all who reach the port may read them. */
  readonly metricsToken?: string | undefined;
  /** How long a connection may take to ask, or stay without asking; default 5,000 ms. */
  readonly patienceMs?: number;
}

export interface OpsServer extends AsyncDisposable {
  readonly port: number;
}

const PATIENCE_MS = 5000;
/** Probes and scrapers need a handful; whoever holds more open gets no further one. */
const CONNECTIONS_MAX = 128;
const HEADER_BYTES_MAX = 8192;
/** Nobody has anything to send. */
const BODY_BYTES_MAX = 1024;

/**
 * The ops port. `/healthz` speaks of the event loop alone: if it spoke of a dependency, that one's outage would have
 * the whole fleet restarted. `/readyz` names every dependency, its state and since when, with 503 while one is away.
 * @throws ScbeError CONFLICT when the port is taken
 */
export async function startOpsServer({
  host,
  port,
  metrics,
  readiness,
  metricsToken,
  patienceMs = PATIENCE_MS,
}: OpsServerOptions): Promise<OpsServer> {
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: BODY_BYTES_MAX,
    serverFactory: (ops) => httpServer(patienceMs, ops),
  });
  server.get("/healthz", () => ({ status: "ok" }));
  server.get("/readyz", (_request, reply) => {
    const dependencies = readiness
      .report()
      .map((row) => ({ ...row, since: new Date(row.since).toISOString() }));
    return reply.code(readiness.ready ? 200 : 503).send({ ready: readiness.ready, dependencies });
  });
  const isReader = bearerCheck(metricsToken);
  server.get("/metrics", async (request, reply) => {
    if (isReader(request.headers.authorization))
      return reply.type(metrics.contentType).send(await metrics.metrics());
    return reply.code(401).header("www-authenticate", 'Bearer realm="scbe"').send(UNAUTHORIZED);
  });
  await listen(server, host, port);
  return {
    port: portOf(server, port),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

function httpServer(patienceMs: number, listener: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      connectionsCheckingInterval: Math.ceil(patienceMs / 5),
      requestTimeout: patienceMs,
      keepAliveTimeout: patienceMs,
    },
    listener,
  );
  server.maxConnections = CONNECTIONS_MAX;
  return server.setTimeout(patienceMs);
}

const UNAUTHORIZED = {
  code: "UNAUTHORIZED",
  title: 'send -H "Authorization: Bearer $TOKEN" with the value of SCBE_METRICS_TOKEN',
};

/** Compares digests, so that the time does not tell how much of a token was right. */
function bearerCheck(token: string | undefined): (authorization: string | undefined) => boolean {
  if (token === undefined) return () => true;
  const digestOf = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();
  const expected = digestOf(token);
  return (authorization = "") => {
    const presented = /^bearer +([\x21-\x7e]{1,1024})$/i.exec(authorization)?.[1];
    return presented !== undefined && timingSafeEqual(digestOf(presented), expected);
  };
}

async function listen(server: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    if (isScbeError(cause)) throw cause;
    const taken = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
    const why = taken
      ? "is taken; set SCBE_OPS_PORT to a free one"
      : "cannot be listened on (SCBE_OPS_HOST, SCBE_OPS_PORT)";
    throw new ScbeError("CONFLICT", `ops port ${host}:${port} ${why}`, { cause });
  }
}

function portOf(server: FastifyInstance, fallback: number): number {
  const address = server.server.address();
  return address === null || typeof address === "string" ? fallback : address.port;
}
