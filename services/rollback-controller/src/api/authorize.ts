import type { FastifyRequest } from "fastify";
import type { ApiPorts } from "./api-ports.ts";
import type { Limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import type { TokenJudgement, TokenName } from "./tokens.ts";

export interface Authorization {
  readonly access: readonly TokenName[];
  readonly limits: Limits;
  readonly ports: Pick<ApiPorts, "tokens" | "log">;
}

const PROBLEMS = {
  missing: "there is no token",
  "no-bearer": "the authorization header has another form than Bearer and one token",
  unknown: "the token is none of this controller's",
} as const satisfies Record<Exclude<TokenJudgement, { ok: true }>["reason"], string>;

/**
 * Whose token a request comes with.
 * @throws Refusal 401 that says what is missing and how it is sent, 403 when it may not do this, 429 after too many of them
 */
export async function authorize(
  request: FastifyRequest,
  { access, limits, ports: { tokens, log } }: Authorization,
): Promise<TokenName> {
  const judged = tokens.judge(request.headers.authorization);
  if (judged.ok && access.includes(judged.name)) return judged.name;
  await limits.failed(request);
  const route = request.routeOptions.url;
  log.warn(
    { route, address: request.ip, reason: judged.ok ? "scope" : judged.reason },
    "a request came without the right to it",
  );
  throw judged.ok ? tooWeak(judged.name, access) : unauthorized(PROBLEMS[judged.reason], access);
}

/** 403: `name` may not do what needs one of `access`. */
export function tooWeak(name: TokenName, access: readonly TokenName[]): Refusal {
  return new Refusal(403, { code: "FORBIDDEN", title: `${name} may not do this; it needs ${oneOf(access)}` });
}

function unauthorized(problem: string, access: readonly TokenName[]): Refusal {
  const title = `${problem}: send -H "Authorization: Bearer $TOKEN" with the value of ${oneOf(access)}`;
  return new Refusal(401, { code: "UNAUTHORIZED", title }, { "www-authenticate": 'Bearer realm="scbe"' });
}

function oneOf(access: readonly TokenName[]): string {
  return access.join(" or ");
}
