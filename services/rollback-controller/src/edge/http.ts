/** The result of a post. `reason` holds neither address nor body, since either may be secret. */
export type Posted =
  | {
      readonly ok: true;
      readonly status: number;
      readonly text: string;
      readonly retryAfterMs: number | undefined;
    }
  | { readonly ok: false; readonly reason: string };

export interface PostOptions {
  /** Until the last byte of the answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** ms since the epoch, for a `Retry-After` that is a date */
  readonly now: number;
}

/** PagerDuty and Slack give shorter answers. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** Posts JSON and reads a short answer, in a bounded time, without following redirects. Failures are values. */
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

/** The whole text of an answer. @throws Error if it is longer than `bytesMax`; the rest is not read */
export async function boundedText(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw new Error(`an answer of more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export interface HttpTarget {
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A path below a base address. `fetch` refuses an address with a password in it, so user and password go into a header. */
export function targetOf(base: string, path: string): HttpTarget {
  const { username, password, origin, pathname } = new URL(base);
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    address: `${origin}${pathname.replace(/\/+$/, "")}${path}`,
    headers: login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` },
  };
}

/** Why a request failed. `fetch` itself says "fetch failed", and has the reason in its cause. */
export function fetchFailure(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : "no answer";
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
