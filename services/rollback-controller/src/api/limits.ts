import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Refusal } from "./refusal.ts";

const MINUTE_MS = 60_000;
/** Of requests without a valid token, from one address. */
const OPEN_MAX = 600;
/** Of those, the ones that needed one. */
const FAILED_MAX = 30;
/** Of requests with the same token, wherever they come from. */
const TOKEN_MAX = 600;
/** Addresses and tokens that are counted; of more, those unseen for longest are forgotten. */
const COUNTED_MAX = 10_000;

/** How many requests are taken in a minute. */
export interface Limits {
  /** @throws Refusal */
  open(request: FastifyRequest): Promise<void>;
  /** @throws Refusal instead of the one that says what was wrong */
  failed(request: FastifyRequest): Promise<void>;
  /** @throws Refusal */
  token(request: FastifyRequest, name: string): Promise<void>;
}

/**
 * Requests with a valid token are counted by that token alone, all others by their address: behind a proxy all share one, and one that
 * floods would keep the kill switch out of reach.
 */
export async function limits(server: FastifyInstance): Promise<Limits> {
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
