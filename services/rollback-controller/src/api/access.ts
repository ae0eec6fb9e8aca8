import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Refusal } from "./refusal.ts";
import type { ApiPorts } from "./route.ts";
import { type Holder, type Role, TOKEN_VARIABLES, type TokenJudgement } from "./tokens.ts";

export interface Authorization {
  readonly judged: TokenJudgement;
  readonly access: readonly Role[];
  readonly limits: RateLimits;
  readonly ports: Pick<ApiPorts, "log">;
}

/**
 * The holder of a request's token, if its role is one of those in `access`.
 * @throws Refusal 401 that says what is missing and how to send it, 403 for another role, 429 after too many of them
 */
export async function authorize(
  request: FastifyRequest,
  { judged, access, limits, ports: { log } }: Authorization,
): Promise<Holder> {
  if (judged.ok && access.includes(judged.holder.role)) return judged.holder;
  await (judged.ok ? limits.token(request, judged.holder.name) : limits.failed(request));
  const route = request.routeOptions.url;
  const cause = judged.ok ? { by: judged.holder.name, reason: "role" } : { reason: judged.reason };
  log.warn({ route, address: request.ip, ...cause }, "a request without the right to its route was refused");
  throw judged.ok
    ? Refusal.ofRole(judged.holder, access)
    : unauthorized(TOKEN_PROBLEMS[judged.reason], access);
}

const TOKEN_PROBLEMS = {
  missing: "there is no token",
  "no-bearer": "the authorization header has another form than Bearer and one token",
  unknown: "this controller does not know the token",
} as const satisfies Record<Exclude<TokenJudgement, { ok: true }>["reason"], string>;

function unauthorized(problem: string, access: readonly Role[]): Refusal {
  const variables = access.map((role) => TOKEN_VARIABLES[role]).join(", ");
  const title = `${problem}: send -H "Authorization: Bearer $TOKEN" with a token of the role ${access.join(" or ")} (${variables}, or a named one)`;
  return new Refusal(401, { code: "UNAUTHORIZED", title }, { "www-authenticate": 'Bearer realm="scbe"' });
}

const MINUTE_MS = 60_000;
/** Requests of one address without a valid token. */
const OPEN_MAX = 600;
/** Those of them on routes that need a token. */
const FAILED_MAX = 30;
/** Requests with one token, from all addresses. */
const TOKEN_MAX = 600;
/** Addresses and tokens that are counted; beyond that, the ones unseen for longest are forgotten. */
const COUNTED_MAX = 10_000;

/** The requests that the API accepts in a minute. */
export interface RateLimits {
  /** Counts a request without a valid token. @throws Refusal 429 */
  open(request: FastifyRequest): Promise<void>;
  /** Counts a request that lacked the token it needed. @throws Refusal 429, in place of the refusal that names the problem */
  failed(request: FastifyRequest): Promise<void>;
  /** Counts a request with that token. @throws Refusal 429 */
  token(request: FastifyRequest, name: string): Promise<void>;
}

/**
 * Counts requests with a valid token by that token alone, and all others by address. Behind a proxy all callers share one address, and
 * a flood by one of them would make the kill switch unreachable for the others.
 */
export async function rateLimits(server: FastifyInstance): Promise<RateLimits> {
  await server.register(rateLimit, { global: false, cache: COUNTED_MAX });
  const names = new WeakMap<FastifyRequest, string>();
  const count = (max: number, keyGenerator?: (request: FastifyRequest) => string) =>
    server.createRateLimit({ max, timeWindow: MINUTE_MS, ...(keyGenerator && { keyGenerator }) });
  const [open, failed] = [count(OPEN_MAX), count(FAILED_MAX)];
  const token = count(TOKEN_MAX, (request) => names.get(request) ?? "");
  return {
    open: (request) => check(open, request, "requests without a valid token in a minute from one address"),
    failed: (request) =>
      check(failed, request, "requests in a minute from one address that lacked a valid token"),
    token: (request, name) => {
      names.set(request, name);
      return check(token, request, `requests in a minute with the token ${name}`);
    },
  };
}

type Counter = ReturnType<FastifyInstance["createRateLimit"]>;

async function check(counter: Counter, request: FastifyRequest, what: string): Promise<void> {
  const counted = await counter(request);
  if (counted.isAllowed || !counted.isExceeded) return;
  const { max, ttlInSeconds } = counted;
  throw Refusal.ofRate(`more than ${max} ${what}; wait`, ttlInSeconds);
}
