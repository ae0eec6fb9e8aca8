import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { ControlAccess } from "@scbe/local-stack/stack";
import { z } from "zod";

/*
 * The schemas hold only the members that are read here.
 */

/** `GET /health/scbe`. */
const Health = z.object({
  envelope_mode: z.string(),
  generation: z.int(),
  verifiers: z.object({ total: z.int(), converged: z.int(), stale: z.int() }),
});
export type Health = z.infer<typeof Health>;

export const Kill = z.object({
  enabled: z.boolean(),
  reason: z.string(),
  cause: z.string().optional(),
  since: z.string().optional(),
});
export const Flag = z.object({ enabled: z.boolean(), traffic_percentage: z.number() });
export const Verification = z.object({ enabled: z.boolean(), providers: z.record(z.string(), Flag) });

/** `GET /feature-flags`. */
export const Flags = z.object({
  scbe_envelope_verification: Verification,
  scbe_kill_switch: Kill.extend({ providers: z.record(z.string(), Kill).optional() }),
  skew_window: z.object({ seconds: z.number(), until: z.string(), reason: z.string() }).nullable(),
});
/** `GET /metrics/scbe/trust-scores`. */
export const Trust = z.object({
  providers: z.array(
    z.object({
      provider: z.string(),
      latch: z.object({ cause: z.string(), since: z.string(), event: z.string() }).nullable(),
      calibration: z.object({ score: z.number(), reason: z.string(), at: z.string() }).nullable(),
      cause: z.string().nullable(),
    }),
  ),
});
/** `GET /canary`. */
export const Canaries = z.object({
  canaries: z.array(
    z.object({
      provider: z.string(),
      state: z.string(),
      share: z.number(),
      why: z.string().optional(),
      by: z.string().optional(),
      since: z.union([z.string(), z.number()]).optional(),
    }),
  ),
});
/** `GET /audit`, the newest first. */
export const Audit = z.object({
  entries: z.array(
    z.object({
      at: z.number(),
      action: z.string(),
      by: z.string(),
      reason: z.string(),
      before: z.unknown().optional(),
      after: z.unknown().optional(),
    }),
  ),
});

const ANSWER_MS_MAX = 5000;
const POLL_MS = 5;

export async function health({ url }: ControlAccess): Promise<Health> {
  const response = await fetch(`${url}/health/scbe`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  return Health.parse(await response.json());
}

const AUDIT_ENTRIES = 200;

/** Everything that the control API knows of its state. @throws Error with the API's message */
export async function readControlState(access: ControlAccess): Promise<ControlState> {
  const [flags, trust, canaries, audit] = await Promise.all([
    ask(access, "/feature-flags", Flags),
    ask(access, "/metrics/scbe/trust-scores", Trust),
    ask(access, "/canary", Canaries),
    // Only the names in the report come from the audit.
    ask(access, `/audit?limit=${AUDIT_ENTRIES}`, Audit).catch(() => ({ entries: [] })),
  ]);
  return { flags, trust, canaries, audit };
}

export interface ControlState {
  readonly flags: z.infer<typeof Flags>;
  readonly trust: z.infer<typeof Trust>;
  readonly canaries: z.infer<typeof Canaries>;
  readonly audit: z.infer<typeof Audit>;
}

async function ask<T extends z.ZodType>(
  { url, tokenFiles }: ControlAccess,
  path: string,
  answer: T,
): Promise<z.infer<T>> {
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${tokenIn(tokenFiles.ADMIN_TOKEN_FILE)}` },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return answer.parse(await response.json());
}

function tokenIn(file = ""): string {
  return readFileSync(file, "utf8").trim();
}

/**
 * Engages or releases the kill switch over HTTP; resolves when the controller has answered.
 * @returns the generation of the control document with it
 * @throws Error with the API's message
 */
export async function switchKill(
  { url, tokenFiles }: ControlAccess,
  order: { readonly enabled: boolean; readonly reason: string },
): Promise<number> {
  const token = tokenIn(tokenFiles[order.enabled ? "EMERGENCY_TOKEN_FILE" : "ADMIN_TOKEN_FILE"]);
  const response = await fetch(`${url}/feature-flags`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ scbe_kill_switch: order }),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`POST /feature-flags: ${response.status} ${JSON.stringify(answer)}`);
  return z.object({ generation: z.int() }).parse(answer).generation;
}

/**
 * Resolves when every verifier that is not stale holds that generation or a later one.
 * @returns the number of these verifiers
 * @throws Error when the time is up first
 */
export async function untilConverged(
  access: ControlAccess,
  generation: number,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { generation: now, verifiers } = await health(access);
    const live = verifiers.total - verifiers.stale;
    if (now >= generation && live > 0 && verifiers.converged === live) return live;
    if (performance.now() > deadline)
      throw new Error(`${verifiers.converged} of ${live} verifiers have obeyed within ${timeoutMs} ms`);
    await delay(POLL_MS, undefined, { signal });
  }
}
