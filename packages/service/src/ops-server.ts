import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { isScbeError, ScbeError } from "@scbe/contracts";
import type { Readiness } from "@scbe/runtime";
import { type FastifyInstance, fastify } from "fastify";
import { collectDefaultMetrics, Registry } from "prom-client";

export interface OpsServerOptions {
  readonly host: string;
  /** 0: any free port */
  readonly port: number;
  readonly metrics: Registry;
  readonly readiness: Readiness;
  /** The bearer token that `/metrics` requires; undefined: every client of the port may read them. */
  readonly metricsToken?: string | undefined;
  /** How long a connection may take for a request, or stay idle; default 5,000 ms. */
  readonly timeoutMs?: number;
}

export interface OpsServer extends AsyncDisposable {
  readonly port: number;
}

const TIMEOUT_MS = 5000;
/** Probes and scrapers need a handful. */
const CONNECTIONS_MAX = 128;
const HEADER_BYTES_MAX = 8192;
/** No route takes a body. */
const BODY_BYTES_MAX = 1024;

/**
 * The ops port. `/healthz` concerns the event loop only: if it depended on a dependency, an outage of that would restart the whole fleet. `/readyz`
 * lists every dependency with its state and the time of its last change, with status 503 while one is unavailable.
 * @throws ScbeError CONFLICT if the port is taken
 */
export async function startOpsServer({
  host,
  port,
  metrics,
  readiness,
  metricsToken,
  timeoutMs = TIMEOUT_MS,
}: OpsServerOptions): Promise<OpsServer> {
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: BODY_BYTES_MAX,
    serverFactory: (ops) => httpServer(timeoutMs, ops),
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

function httpServer(timeoutMs: number, listener: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      connectionsCheckingInterval: Math.ceil(timeoutMs / 5),
      requestTimeout: timeoutMs,
      keepAliveTimeout: timeoutMs,
    },
    listener,
  );
  server.maxConnections = CONNECTIONS_MAX;
  return server.setTimeout(timeoutMs);
}

const UNAUTHORIZED = {
  code: "UNAUTHORIZED",
  title: 'send -H "Authorization: Bearer $TOKEN" with the value of SCBE_METRICS_TOKEN',
};

/** Compares digests, so that the time does not depend on how much of a token is right. */
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
      : "cannot be opened (SCBE_OPS_HOST, SCBE_OPS_PORT)";
    throw new ScbeError("CONFLICT", `ops port ${host}:${port} ${why}`, { cause });
  }
}

function portOf(server: FastifyInstance, fallback: number): number {
  const address = server.server.address();
  return address === null || typeof address === "string" ? fallback : address.port;
}

/** A registry for a service's process, with prom-client's metrics of Node. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
