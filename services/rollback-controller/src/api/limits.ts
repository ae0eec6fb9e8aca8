import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Refusal } from "./refusal.ts";
import type { TokenName } from "./tokens.ts";

const MINUTE_MS = 60_000;
/** Of requests without a token, from one address. */
const OPEN_MAX = 600;
/** Of requests with a wrong token or none where one is needed, from one address. */
const FAILED_MAX = 30;
/** Of requests with the same token, from one address. */
const TOKEN_MAX = 300;
/** Addresses and tokens that are counted; of more, those unseen for longest are forgotten. */
const COUNTED_MAX = 10_000;

/** How often somebody may ask in a minute. */
export interface Limits {
  /** @throws Refusal */
  open(request: FastifyRequest): Promise<void>;
  /** @throws Refusal instead of the one that says what was wrong */
  failed(request: FastifyRequest): Promise<void>;
  /** @throws Refusal */
  token(request: FastifyRequest, name: TokenName): Promise<void>;
}

/**
 * Who has a token is never refused for what others do without one: behind a proxy they share an address, and one that floods would
 * keep the kill switch out of reach.
 */
export async function limits(server: FastifyInstance): Promise<Limits> {
  await server.register(rateLimit, { global: false, cache: COUNTED_MAX });
  const names = new WeakMap<FastifyRequest, TokenName>();
  const count = (max: number, keyGenerator?: (request: FastifyRequest) => string) =>
    server.createRateLimit({ max, timeWindow: MINUTE_MS, ...(keyGenerator && { keyGenerator }) });
  const [open, failed] = [count(OPEN_MAX), count(FAILED_MAX)];
  const token = count(TOKEN_MAX, (request) => `${names.get(request)} ${request.ip}`);
  return {
    open: (request) => check(open, request, "requests"),
    failed: (request) => check(failed, request, "requests without a token that is right"),
    token: (request, name) => {
      names.set(request, name);
      return check(token, request, `requests with ${name}`);
    },
  };
}

type Counter = ReturnType<FastifyInstance["createRateLimit"]>;

async function check(counter: Counter, request: FastifyRequest, what: string): Promise<void> {
  const counted = await counter(request);
  if (counted.isAllowed || !counted.isExceeded) return;
  const { max, ttlInSeconds } = counted;
  throw Refusal.ofRate(`more than ${max} ${what} in a minute from one address; wait`, ttlInSeconds);
}
