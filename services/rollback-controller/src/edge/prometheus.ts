import { cutText } from "@scbe/contracts";
import { z } from "zod";
import { boundedText } from "./bounded-text.ts";

/** One series' value at one time. */
export interface Sample {
  /** With `__name__`, where the expression has kept it. */
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and infinities included. */
  readonly value: number;
}

/** What an expression is now; no series at all is an answer too. `reason` is for people, and holds no secret. */
export type QueryResult =
  | { readonly ok: true; readonly samples: readonly Sample[] }
  | { readonly ok: false; readonly reason: string };

export interface QueryOptions {
  /** Until the whole answer is there. */
  readonly timeoutMs: number;
  /** ms since the Unix epoch; Prometheus's own now, where it is not given */
  readonly at?: number;
}

/** The only way to Prometheus. Never throws: that it is away is a value like any other. */
export interface Prometheus {
  /** Evaluates an expression whose value is a vector or a scalar; a scalar is one sample without labels. */
  query(expr: string, options: QueryOptions): Promise<QueryResult>;
}

/** The Prometheus at `url`, a user and password in it included. */
export function prometheus(url: string): Prometheus {
  const { address, headers } = targetOf(url);
  return {
    query: async (expr, { timeoutMs, at }) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const body = new URLSearchParams({ query: expr, ...(at !== undefined && { time: String(at / 1000) }) });
      try {
        const response = await fetch(address, { method: "POST", body, headers, signal, redirect: "error" });
        return readAnswer(response.status, await boundedText(response, ANSWER_BYTES_MAX));
      } catch (error) {
        return failed(signal.aborted ? `no answer in ${timeoutMs} ms` : whyOf(error));
      }
    },
  };
}

/** An answer that is larger is none of an expression of ours. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REASON_LENGTH_MAX = 200;

/** `fetch` refuses an address with a password in it, so that goes into a header. */
function targetOf(url: string): { address: string; headers: Record<string, string> } {
  const { username, password, origin, pathname } = new URL(url);
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    address: `${origin}${pathname.replace(/\/+$/, "")}/api/v1/query`,
    headers: login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` },
  };
}

const Value = z.tuple([z.number(), z.string()]);
const Data = z.discriminatedUnion("resultType", [
  z.object({ resultType: z.literal("scalar"), result: Value }),
  z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: Value })),
  }),
]);
const Answer = z.discriminatedUnion("status", [
  z.object({ status: z.literal("error"), error: z.string() }),
  z.object({ status: z.literal("success"), data: Data, warnings: z.array(z.string()).optional() }),
]);

function readAnswer(status: number, text: string): QueryResult {
  const answer = parse(text);
  if (answer === undefined) return failed(`an answer that cannot be read, with HTTP status ${status}`);
  if (answer.status === "error") return failed(answer.error);
  // What was computed from a part of the data must not be taken for the whole of it.
  if (answer.warnings !== undefined && answer.warnings.length > 0)
    return failed(`an answer with a warning: ${answer.warnings[0]}`);
  const { data } = answer;
  if (data.resultType === "scalar") return { ok: true, samples: [sampleOf({}, data.result)] };
  return { ok: true, samples: data.result.map(({ metric, value }) => sampleOf(metric, value)) };
}

function parse(text: string): z.infer<typeof Answer> | undefined {
  try {
    return Answer.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function sampleOf(labels: Record<string, string>, [, text]: z.infer<typeof Value>): Sample {
  return { labels, value: Number(text.replace(/^([+-]?)Inf$/, "$1Infinity")) };
}

function failed(reason: string): QueryResult {
  return { ok: false, reason: cutText(reason, REASON_LENGTH_MAX) };
}

/** `fetch` says "fetch failed", and why in its cause. */
function whyOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : "no answer";
}
