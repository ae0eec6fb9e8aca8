import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { authorize, type RateLimits, rateLimits } from "./access.ts";
import { openApi } from "./open-api.ts";
import { Refusal } from "./refusal.ts";
import { readBody, readQuery } from "./request-body.ts";
import { Answer, type ApiPorts, type ApiRoute } from "./route.ts";
import { ROUTES } from "./routes.ts";
import type { TokenJudgement } from "./tokens.ts";

/** A whole document of flags is a few KiB. */
const BODY_BYTES_MAX = 64 * 1024;
const OPEN_API_PATH = "/openapi.json";

/**
 * Adds the control API to a server: its routes, errors and rate limits.
 * @param onToken runs with the token's name when a request has a valid token, before its body is read
 */
export async function controlApi(
  api: FastifyInstance,
  ports: ApiPorts,
  onToken: (request: FastifyRequest, name: string) => void = () => undefined,
): Promise<void> {
  const limits = await rateLimits(api);
  const judgements = new WeakMap<FastifyRequest, TokenJudgement>();
  const judge = (request: FastifyRequest): TokenJudgement =>
    judgements.get(request) ?? ports.tokens.judge(request.headers.authorization);
  readEveryBodyAsText(api);
  api.addHook("onRequest", async (request) => {
    const judged = judge(request);
    judgements.set(request, judged);
    if (judged.ok) onToken(request, judged.holder.name);
    else await limits.open(request);
  });
  api.setErrorHandler((error, request, reply) => refuse(error, request, reply, ports));
  const routes = ROUTES.filter(({ isThere }) => isThere?.(ports) ?? true);
  const context = { judge, limits, ports };
  for (const route of routes) {
    if (route.body !== "stream") addRoute(api, route, context);
    else api.register(async (scope) => addRoute(leaveBodyUnread(scope), route, context));
  }
  const document = openApi();
  api.get(OPEN_API_PATH, () => document);
  api.setNotFoundHandler((request, reply) => {
    const { status, body, headers } = notFound(request, routes);
    return reply.code(status).headers(headers).send(body);
  });
}

/** The content type does not matter: curl labels a JSON body as a form unless it has a header for it. */
function readEveryBodyAsText(api: FastifyInstance): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
}

/** Its handlers get the body as a stream. */
function leaveBodyUnread(scope: FastifyInstance): FastifyInstance {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  return scope;
}

interface RouteContext {
  readonly judge: (request: FastifyRequest) => TokenJudgement;
  readonly limits: RateLimits;
  readonly ports: ApiPorts;
}

/** The token is checked before any byte of the body is read. */
function addRoute(api: FastifyInstance, route: ApiRoute, { judge, limits, ports }: RouteContext): void {
  const { access, onAnswered } = route;
  api.route({
    method: route.method,
    url: route.path,
    bodyLimit: BODY_BYTES_MAX,
    ...(onAnswered && { onResponse: async (_request, reply) => onAnswered(reply.statusCode, ports) }),
    onRequest: async (request) => {
      if (access !== "open") await authorize(request, { judged: judge(request), access, limits, ports });
    },
    handler: async (request, reply) => {
      const [body, query] = [readBody(route, request.body), readQuery(route, request.query)];
      const judged = judge(request);
      const holder = judged.ok ? judged.holder : undefined;
      if (holder !== undefined && !route.isUncounted(body)) await limits.token(request, holder.name);
      const by = access === "open" ? "" : (holder?.name ?? "");
      const answer = await route.handle({ body, query, by, role: holder?.role }, ports);
      return answer instanceof Answer ? reply.code(answer.status).send(answer.body) : answer;
    },
  });
}

/** 405 where the path exists for other methods. */
function notFound({ url, method }: FastifyRequest, routes: readonly ApiRoute[]): Refusal {
  const [path = ""] = url.split("?", 1);
  const methods = routes.filter((route) => route.path === path).map((route) => route.method);
  const all = path === OPEN_API_PATH ? ["GET"] : methods;
  if (all.length === 0)
    return new Refusal(404, {
      code: "NOT_FOUND",
      title: "there is no such path; /openapi.json has them all",
    });
  const allow = [...all, ...(all.includes("GET") ? ["HEAD"] : [])].join(", ");
  const title = `${method} is not what this path takes, which is ${allow}`;
  return new Refusal(405, { code: "METHOD_NOT_ALLOWED", title }, { allow });
}

/** Readiness and the answer show a missing dependency, so the log has it at debug level; a defect is in the log alone. */
function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { log }: ApiPorts,
): FastifyReply {
  const { status, body, headers } = Refusal.of(error) ?? Refusal.defect();
  const level = body.code === "INTERNAL" ? "error" : "debug";
  log[level]({ err: error, route: request.routeOptions.url, status }, "a request was not done");
  return reply.code(status).headers(headers).send(body);
}
