import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { Audit, Canaries, Flags, type Standing, standing, Trust } from "./standing.ts";

/** The local controller's API, and the files of its tokens. */
export interface ControlAccess {
  readonly url: string;
  /** By the names of their variables, each with `_FILE`. */
  readonly tokenFiles: Readonly<Record<string, string>>;
}

/** What of `GET /health/scbe` is looked at here. */
const Health = z.object({
  envelope_mode: z.string(),
  generation: z.int(),
  verifiers: z.object({ total: z.int(), converged: z.int(), stale: z.int() }),
});
export type Health = z.infer<typeof Health>;

const ANSWER_MS_MAX = 5000;
const LOOK_EVERY_MS = 5;

export async function health({ url }: ControlAccess): Promise<Health> {
  const response = await fetch(`${url}/health/scbe`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  return Health.parse(await response.json());
}

const AUDIT_ENTRIES = 200;

/** What stands from an earlier run. @throws Error with the API's own words */
export async function readStanding(access: ControlAccess, providers: readonly string[]): Promise<Standing> {
  const [flags, trust, canaries, audit] = await Promise.all([
    ask(access, "/feature-flags", Flags),
    ask(access, "/metrics/scbe/trust-scores", Trust),
    ask(access, "/canary", Canaries),
    // Without it everything is known but by whom.
    ask(access, `/audit?limit=${AUDIT_ENTRIES}`, Audit).catch(() => ({ entries: [] })),
  ]);
  return standing({ flags, trust, canaries, audit, providers });
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
 * Engages or releases the kill switch, as curl would; resolves when the controller has answered.
 * @returns the generation from which on it counts
 * @throws Error with the API's own words
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
 * Resolves when every verifier that can be heard holds that generation or a later one.
 * @returns how many they are
 * @throws Error when they do not within the time
 */
export async function untilObeyed(
  access: ControlAccess,
  generation: number,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { generation: now, verifiers } = await health(access);
    const heard = verifiers.total - verifiers.stale;
    if (now >= generation && heard > 0 && verifiers.converged === heard) return heard;
    if (performance.now() > deadline)
      throw new Error(`${verifiers.converged} of ${heard} verifiers have obeyed within ${timeoutMs} ms`);
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}
