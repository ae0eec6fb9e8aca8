import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ApiPorts } from "./api-ports.ts";
import { Answer, type ApiRoute } from "./api-route.ts";
import { authorize } from "./authorize.ts";
import { type Limits, limits } from "./limits.ts";
import { openApi } from "./open-api.ts";
import { readBody, readQuery } from "./read-call.ts";
import { Refusal } from "./refusal.ts";
import { ROUTES } from "./routes.ts";
import type { TokenName } from "./tokens.ts";

/** A whole document of flags is a few KiB. */
const BODY_BYTES_MAX = 64 * 1024;

/** Adds the control API to a server: its routes, its errors and its limits touch nothing else that the server has. */
export function controlApi(server: FastifyInstance, ports: ApiPorts): void {
  server.register(async (api) => {
    const limited = await limits(api);
    readEveryBodyAsText(api);
    api.setErrorHandler((error, request, reply) => refuse(error, request, reply, ports));
    for (const route of ROUTES) {
      if (route.isThere?.(ports) ?? true) addRoute(api, route, limited, ports);
    }
    const document = openApi();
    api.get("/openapi.json", { onRequest: (request) => limited.open(request) }, () => document);
  });
}

/** JSON comes under any type or none: curl, unless it is told otherwise, says that it sends a form. */
function readEveryBodyAsText(api: FastifyInstance): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
}

/** The token is looked at before anything of the body is read. */
function addRoute(api: FastifyInstance, route: ApiRoute, limited: Limits, ports: ApiPorts): void {
  const names = new WeakMap<FastifyRequest, TokenName>();
  api.route({
    method: route.method,
    url: route.path,
    bodyLimit: route.bodyBytesMax ?? BODY_BYTES_MAX,
    onRequest: async (request) => {
      if (route.access === "open") return limited.open(request);
      names.set(request, await authorize(request, { access: route.access, limits: limited, ports }));
    },
    handler: async (request, reply) => {
      const [body, query] = [readBody(route, request.body), readQuery(route, request.query)];
      const name = names.get(request);
      if (name !== undefined && !route.isUncounted(body)) await limited.token(request, name);
      const answer = await route.handle({ body, query, by: name ?? "" }, ports);
      return answer instanceof Answer ? reply.code(answer.status).send(answer.body) : answer;
    },
  });
}

/** That something is away stands in readiness and in the answer; a defect stands in the log alone. */
function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { log }: ApiPorts,
): FastifyReply {
  const { status, body, headers } = Refusal.of(error) ?? defect();
  const level = body.code === "INTERNAL" ? "error" : "debug";
  log[level]({ err: error, route: request.routeOptions.url, status }, "a request was not done");
  return reply.code(status).headers(headers).send(body);
}

function defect(): Refusal {
  return new Refusal(500, { code: "INTERNAL", title: "a defect of ours; the log has the cause" });
}
