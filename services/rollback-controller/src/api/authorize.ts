import type { FastifyRequest } from "fastify";
import type { ApiPorts } from "./api-ports.ts";
import type { Limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { type Holder, type Role, TOKEN_VARIABLES, type TokenJudgement } from "./tokens.ts";

export interface Authorization {
  readonly judged: TokenJudgement;
  readonly access: readonly Role[];
  readonly limits: Limits;
  readonly ports: Pick<ApiPorts, "log">;
}

const PROBLEMS = {
  missing: "there is no token",
  "no-bearer": "the authorization header has another form than Bearer and one token",
  unknown: "the token is none of this controller's",
} as const satisfies Record<Exclude<TokenJudgement, { ok: true }>["reason"], string>;

/**
 * The holder of a request's token, whose role may do this.
 * @throws Refusal 401 that says what is missing and how it is sent, 403 when it may not do this, 429 after too many of them
 */
export async function authorize(
  request: FastifyRequest,
  { judged, access, limits, ports: { log } }: Authorization,
): Promise<Holder> {
  if (judged.ok && access.includes(judged.holder.role)) return judged.holder;
  await (judged.ok ? limits.token(request, judged.holder.name) : limits.failed(request));
  const route = request.routeOptions.url;
  const who = judged.ok ? { by: judged.holder.name, reason: "role" } : { reason: judged.reason };
  log.warn({ route, address: request.ip, ...who }, "a request came without the right to it");
  throw judged.ok ? tooWeak(judged.holder, access) : unauthorized(PROBLEMS[judged.reason], access);
}

/** 403: the holder may not do what needs one of the roles. */
export function tooWeak({ name, role }: Holder, access: readonly Role[]): Refusal {
  const title = `the token ${name} (${role}) may not do this; it needs the role ${access.join(" or ")}`;
  return new Refusal(403, { code: "FORBIDDEN", title });
}

function unauthorized(problem: string, access: readonly Role[]): Refusal {
  const variables = access.map((role) => TOKEN_VARIABLES[role]).join(", ");
  const title = `${problem}: send -H "Authorization: Bearer $TOKEN" with a token of the role ${access.join(" or ")} (${variables}, or a named one)`;
  return new Refusal(401, { code: "UNAUTHORIZED", title }, { "www-authenticate": 'Bearer realm="scbe"' });
}
