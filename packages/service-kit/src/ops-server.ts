import { createServer, type RequestListener, type Server } from "node:http";
import { isScbeError, ScbeError } from "@scbe/contracts";
import { type FastifyInstance, fastify } from "fastify";
import type { Registry } from "./metrics/registry.ts";
import type { Readiness } from "./readiness.ts";

export interface OpsServerOptions {
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  readonly metrics: Registry;
  readonly readiness: Readiness;
  /** How long a connection may take to ask, or stay without asking; default 5,000 ms. */
  readonly patienceMs?: number;
}

export interface OpsServer extends AsyncDisposable {
  readonly port: number;
  /**
   * Serves further routes on the same port, everything but the three paths of the ops port itself, until it is disposed of. A
   * body has at most 1,024 bytes unless its route says otherwise.
   * @throws ScbeError CONFLICT when there are such routes already; what `routes` throws
   */
  mount(routes: (server: FastifyInstance) => void | Promise<void>): Promise<AsyncDisposable>;
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
  patienceMs = PATIENCE_MS,
}: OpsServerOptions): Promise<OpsServer> {
  const mounted = new Mounted();
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: BODY_BYTES_MAX,
    serverFactory: (ops) => httpServer(patienceMs, (request, response) => mounted.or(ops)(request, response)),
  });
  server.get("/healthz", () => ({ status: "ok" }));
  server.get("/readyz", (_request, reply) => {
    const dependencies = readiness
      .report()
      .map((row) => ({ ...row, since: new Date(row.since).toISOString() }));
    return reply.code(readiness.ready ? 200 : 503).send({ ready: readiness.ready, dependencies });
  });
  server.get("/metrics", async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  );
  await listen(server, host, port);
  return {
    port: portOf(server, port),
    mount: (routes) => mounted.mount(routes),
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

const OPS_PATHS: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics"]);

/** Routes that come later than the port: a server whose own routes listen already takes no further ones. */
class Mounted {
  #routes: RequestListener | undefined;

  /** Who answers: what is mounted, or, for its own paths and while nothing is, `ops`. */
  or(ops: RequestListener): RequestListener {
    return (request, response) => {
      const [path = ""] = (request.url ?? "").split("?", 1);
      const listener = OPS_PATHS.has(path) ? ops : (this.#routes ?? ops);
      listener(request, response);
    };
  }

  async mount(routes: (server: FastifyInstance) => void | Promise<void>): Promise<AsyncDisposable> {
    if (this.#routes !== undefined)
      throw new ScbeError("CONFLICT", "the ops port has further routes already");
    const server = fastify({ logger: false, bodyLimit: BODY_BYTES_MAX });
    await routes(server);
    await server.ready();
    this.#routes = (request, response) => server.routing(request, response);
    return {
      [Symbol.asyncDispose]: async () => {
        this.#routes = undefined;
        await server.close();
      },
    };
  }
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
