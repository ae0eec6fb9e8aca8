import { boundedText } from "./bounded-text.ts";

/** What came of a post. `reason` holds neither address nor body, since either may be secret. */
export type Posted =
  | {
      readonly ok: true;
      readonly status: number;
      readonly text: string;
      readonly retryAfterMs: number | undefined;
    }
  | { readonly ok: false; readonly reason: string };

export interface PostOptions {
  /** For the whole of it, the answer's last byte included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** ms since the epoch, for a `Retry-After` that is a date. */
  readonly now: number;
}

/** A longer answer is none of theirs. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** Posts JSON and reads a short answer, in a bounded time; follows no redirect. Failures are values. */
export async function postJson(url: string, body: unknown, options: PostOptions): Promise<Posted> {
  const signal = AbortSignal.any([AbortSignal.timeout(options.timeoutMs), options.signal]);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "manual",
      signal,
    });
    const text = await boundedText(response, ANSWER_BYTES_MAX);
    const retryAfterMs = readRetryAfter(response.headers.get("retry-after"), options.now);
    return { ok: true, status: response.status, text, retryAfterMs };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  if (error.name === "TimeoutError") return "no answer in time";
  if (error.name === "AbortError") return "given up";
  const cause = error.cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return /^[A-Z0-9_]{1,64}$/.test(code) ? code : "the connection failed";
}
