import type { Answer, Client } from "@scbe/client";
import { isScbeError, ScbeError } from "@scbe/contracts";
import { readChat, readChatAnswer } from "../chat.ts";
import type { ExampleRequest } from "../requests/decode-requests.ts";
import { standInText, transcriptOf } from "../stand-in/transcript.ts";

/** The result of one request. */
export interface SentRequest {
  readonly id: string;
  readonly provider: string;
  /** Of the request's body. */
  readonly bytes: number;
  /** Rounded to microseconds, like the round trip; null without an answer. */
  readonly seal_ms: number | null;
  /** From the call to its answer or its failure. */
  readonly round_trip_ms: number;
  /**
   * `ok`: the answer opened, and is this provider's answer to this request. `WRONG_ANSWER`: it opened, and is not. Otherwise the code of
   * the error.
   */
  readonly verdict: string;
}

export interface SendOptions {
  /** Requests in flight; default 8. */
  readonly concurrency?: number;
  /** For each request; default the client's. */
  readonly timeoutMs?: number;
  /** Aborts the requests that are not answered yet. */
  readonly signal?: AbortSignal;
  /** Runs with the error of every verdict other than `ok`. */
  readonly onProblem?: (id: string, error: unknown) => void;
}

/**
 * Sends requests, a few at a time, and yields their results in order. If the consumer stops reading, the rest is aborted.
 * @example
 * await using client = await connect({ name: "orchestrator" });
 * for await (const { id, verdict } of sendRequests(client, requests)) console.log(id, verdict);
 */
export async function* sendRequests(
  client: Pick<Client, "request">,
  requests: readonly ExampleRequest[],
  options: SendOptions = {},
): AsyncGenerator<SentRequest, void, undefined> {
  const { concurrency = 8, signal } = options;
  const left = new AbortController();
  const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const slots = requests.map((request) => ({ request, sent: Promise.withResolvers<SentRequest>() }));
  const queue = slots.values();
  const work = async (): Promise<void> => {
    for (const { request, sent } of queue) {
      if (left.signal.aborted) return;
      sent.resolve(await send(client, request, { ...options, signal: either }));
    }
  };
  const workers = Array.from({ length: concurrency }, work);
  try {
    for (const { sent } of slots) yield await sent.promise;
  } finally {
    left.abort();
    await Promise.all(workers);
  }
}

async function send(
  client: Pick<Client, "request">,
  request: ExampleRequest,
  { timeoutMs, signal, onProblem }: SendOptions,
): Promise<SentRequest> {
  const { id, provider, model, intent, contentType, body } = request;
  const facts = { id, provider, bytes: body.length };
  const started = performance.now();
  let sealMs: number | null = null;
  try {
    const answer = await client.request({
      provider,
      model,
      intent,
      contentType,
      body,
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(signal && { signal }),
    });
    sealMs = rounded(answer.sealMs);
    checkAnswer(answer, request);
    return { ...facts, seal_ms: sealMs, round_trip_ms: rounded(answer.roundTripMs), verdict: "ok" };
  } catch (error) {
    onProblem?.(id, error);
    return {
      ...facts,
      seal_ms: sealMs,
      round_trip_ms: rounded(performance.now() - started),
      verdict: verdictOf(error, sealMs !== null),
    };
  }
}

/** Rounded to microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function verdictOf(error: unknown, isAnswered: boolean): string {
  if (isAnswered) return "WRONG_ANSWER";
  return isScbeError(error) ? error.code : "INTERNAL";
}

/** The stand-in's answers are known beforehand: they show whether all of the body arrived. */
const STAND_IN = /^stand-in for /;

/** @throws ScbeError for another answer than the expected one */
function checkAnswer({ body, contentType }: Answer, request: ExampleRequest): void {
  const answer = readChatAnswer(body, contentType);
  if (answer.provider !== request.provider || answer.model !== request.model) {
    throw new ScbeError("BAD_REQUEST", `it is ${answer.provider}'s, of ${answer.model}`);
  }
  if (!STAND_IN.test(answer.text)) return;
  const transcript = transcriptOf(readChat(request.body, request.contentType));
  if (answer.text !== standInText(request.provider, request.model, transcript)) {
    throw new ScbeError("BAD_REQUEST", "the stand-in read another text than was sent");
  }
}

const COLUMNS: readonly {
  readonly title: string;
  readonly isNumber: boolean;
  cell(row: SentRequest): string;
}[] = [
  { title: "request", isNumber: false, cell: ({ id }) => id },
  { title: "provider", isNumber: false, cell: ({ provider }) => provider },
  { title: "bytes", isNumber: true, cell: ({ bytes }) => String(bytes) },
  { title: "seal ms", isNumber: true, cell: ({ seal_ms }) => seal_ms?.toFixed(2) ?? "" },
  { title: "round trip ms", isNumber: true, cell: ({ round_trip_ms }) => round_trip_ms.toFixed(1) },
  { title: "verdict", isNumber: false, cell: ({ verdict }) => verdict },
];

/** The results as a table, with a line of titles. */
export function requestTable(rows: readonly SentRequest[]): string {
  const lines = [
    COLUMNS.map(({ title }) => title),
    ...rows.map((row) => COLUMNS.map(({ cell }) => cell(row))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, at) => pad(cell, at, widths))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function pad(cell: string, at: number, widths: readonly number[]): string {
  const width = widths[at] ?? 0;
  return COLUMNS[at]?.isNumber === true ? cell.padStart(width) : cell.padEnd(width);
}
