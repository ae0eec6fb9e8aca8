import { cutText } from "@scbe/contracts";
import { z } from "zod";
import { boundedText, fetchFailure, targetOf } from "./http.ts";

/** The value of one series at one time. */
export interface Sample {
  /** With `__name__`, if the expression keeps it. */
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and infinities included. */
  readonly value: number;
}

/** The value of an expression; an answer without series is a result too. `reason` is for people, and holds no secret. */
export type QueryResult =
  | { readonly ok: true; readonly samples: readonly Sample[] }
  | { readonly ok: false; readonly reason: string };

export interface QueryOptions {
  /** Until the last byte of the answer. */
  readonly timeoutMs: number;
  /** ms since the Unix epoch; default: Prometheus's own time */
  readonly at?: number;
}

/** The only access to Prometheus. Never throws: a failure is a value. */
export interface Prometheus {
  /** Evaluates an expression whose value is a vector or a scalar; a scalar is one sample without labels. */
  query(expr: string, options: QueryOptions): Promise<QueryResult>;
}

/** @param url may include a user and a password */
export function prometheus(url: string): Prometheus {
  const { address, headers } = targetOf(url, "/api/v1/query");
  return {
    query: async (expr, { timeoutMs, at }) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const body = new URLSearchParams({ query: expr, ...(at !== undefined && { time: String(at / 1000) }) });
      try {
        const response = await fetch(address, { method: "POST", body, headers, signal, redirect: "error" });
        return readAnswer(response.status, await boundedText(response, ANSWER_BYTES_MAX));
      } catch (error) {
        return failed(signal.aborted ? `no answer in ${timeoutMs} ms` : fetchFailure(error));
      }
    },
  };
}

/** Answers to our expressions are smaller. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REASON_LENGTH_MAX = 200;

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
  if (answer === undefined) return failed(`an unreadable answer, with HTTP status ${status}`);
  if (answer.status === "error") return failed(answer.error);
  // A warning means that only a part of the data was used.
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
