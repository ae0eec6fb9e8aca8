import { ScbeError, type StreamBatchAnswer, StreamQuestion, subjectOf, writeMessage } from "@scbe/contracts";
import { expect, test } from "vitest";
import type { z } from "zod";
import { ownerStream, streamEndpoint } from "./owner-stream.ts";
import { BATCH_BYTES, BATCH_MAX, type StoredMessage, type StreamSource } from "./store-bus.ts";

const SUBJECT = subjectOf("auditRead", { user: "operator" });
const GAP = 300;

/** A stream of so many messages except one, whose owner answers BUSY to every third request. */
function owned(last: number) {
  const messages = Array.from({ length: last }, (_, n): StoredMessage => {
    const seq = n + 1;
    return { seq, subject: "s", at: seq, data: Buffer.from(String(seq)) };
  }).filter(({ seq }) => seq !== GAP);
  const source = {
    bounds: async () => ({ created: "c", first: 1, last, messages: last - 1, bytes: 0, bytesMax: -1 }),
    batch: async (from: number, to: number) =>
      messages.filter(({ seq }) => seq >= from && seq <= to).slice(0, BATCH_MAX),
  };
  const { handler } = streamEndpoint(source);
  let requests = 0;
  const request = async (_subject: string, data: Uint8Array) => {
    requests += 1;
    if (requests % 3 === 0) throw new ScbeError("BUSY", "too many requests");
    return (await handler({ data, user: "operator" })) as never;
  };
  return { stream: ownerStream({ request }, SUBJECT), requests: () => requests };
}

test("a stream is read through its owner in batches, with its gaps, also while the owner answers BUSY", async () => {
  const { stream, requests } = owned(1000);
  const { last } = await stream.bounds();
  const read: number[] = [];
  for (let from = 1; from <= last; ) {
    const batch = await stream.batch(from, last);
    read.push(...batch.map(({ seq }) => seq));
    from = (batch.at(-1)?.seq ?? last) + 1;
  }
  expect(read).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1).filter((seq) => seq !== GAP));
  expect(requests()).toBeLessThan(10);
});

test("any other error of the owner is thrown at once", async () => {
  const request = async (): Promise<never> => {
    throw new ScbeError("TIMEOUT", "nothing came");
  };
  await expect(ownerStream({ request }, SUBJECT).bounds()).rejects.toMatchObject({ code: "TIMEOUT" });
});

const BOUNDS = { created: "c", first: 1, last: 9, messages: 9, bytes: 9, bytesMax: -1 };

/** Requests to the endpoint of a stream, with the result of each: the number of messages, `bounds`, or the code of an error. */
function endpointOf(batch: StreamSource["batch"]) {
  const { handler } = streamEndpoint({ bounds: async () => BOUNDS, batch });
  return async (user: string, ask: "bounds" | "batch") => {
    const request = StreamQuestion.parse({ v: 1, ask, ...(ask === "batch" && { from: 1, last: 9 }) });
    try {
      const answer = await handler({ user, data: writeMessage(request) });
      const batchAnswer: z.infer<typeof StreamBatchAnswer> = JSON.parse(
        Buffer.from(answer?.data ?? []).toString(),
      );
      return ask === "bounds" ? "bounds" : batchAnswer.messages.length;
    } catch (error) {
      return (error as { readonly code?: string }).code;
    }
  };
}

test("one user's requests for batches have a rate, which requests for bounds and other users do not share", async () => {
  const ask = endpointOf(async () => []);
  const flood = [];
  for (let n = 0; n < 12; n += 1) flood.push(await ask("operator", "batch"));
  expect(flood.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 0));
  expect(flood).toContain("BUSY");
  expect(await ask("operator", "bounds")).toBe("bounds");
  expect(await ask("trust-scorer", "batch")).toBe(0);
});

test("two batches of one user are read at once, and a failed one frees its place", async () => {
  const failing = Promise.withResolvers<never>();
  const ask = endpointOf(() => failing.promise);
  const first = [ask("operator", "batch"), ask("operator", "batch")];
  expect(await ask("operator", "batch")).toBe("BUSY");
  const other = ask("trust-scorer", "batch");
  failing.reject(Object.assign(new Error("no store"), { code: "TIMEOUT" }));
  expect(await Promise.all([...first, other])).toEqual(["TIMEOUT", "TIMEOUT", "TIMEOUT"]);
  expect(await ask("operator", "batch")).toBe("TIMEOUT");
});

test("an answer ends after the limit in bytes", async () => {
  const data = Buffer.alloc(BATCH_BYTES / 4 + 1);
  const messages = Array.from(
    { length: 9 },
    (_, n): StoredMessage => ({ seq: n, subject: "s", at: n, data }),
  );
  expect(await endpointOf(async () => messages)("operator", "batch")).toBe(4);
});
