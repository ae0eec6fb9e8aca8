import { type StreamBatchAnswer, StreamQuestion, writeMessage } from "@scbe/contracts";
import { expect, test } from "vitest";
import type { z } from "zod";
import { BATCH_BYTES, type StoredMessage, type StreamSource } from "./store-bus.ts";
import { streamEndpoint } from "./stream-endpoint.ts";

const BOUNDS = { created: "c", first: 1, last: 9, messages: 9, bytes: 9, bytesMax: -1 };

/** An endpoint of a stream, and how it answers: with messages, `bounds`, or the code of an error. */
function endpointOf(batch: StreamSource["batch"]) {
  const { handler } = streamEndpoint({ bounds: async () => BOUNDS, batch });
  return async (user: string, ask: "bounds" | "batch") => {
    const question = StreamQuestion.parse({ v: 1, ask, ...(ask === "batch" && { from: 1, last: 9 }) });
    try {
      const answer = await handler({ user, data: writeMessage(question) });
      const said: z.infer<typeof StreamBatchAnswer> = JSON.parse(Buffer.from(answer?.data ?? []).toString());
      return ask === "bounds" ? "bounds" : said.messages.length;
    } catch (error) {
      return (error as { readonly code?: string }).code;
    }
  };
}

test("one user's questions for batches have a rate; questions for bounds and other users' do not share it", async () => {
  const ask = endpointOf(async () => []);
  const flood = [];
  for (let n = 0; n < 12; n += 1) flood.push(await ask("operator", "batch"));
  expect(flood.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 0));
  expect(flood).toContain("BUSY");
  expect(await ask("operator", "bounds")).toBe("bounds");
  expect(await ask("trust-scorer", "batch")).toBe(0);
});

test("two batches of one user are read at once, and a failed one leaves its place", async () => {
  const failing = Promise.withResolvers<never>();
  const ask = endpointOf(() => failing.promise);
  const first = [ask("operator", "batch"), ask("operator", "batch")];
  expect(await ask("operator", "batch")).toBe("BUSY");
  const other = ask("trust-scorer", "batch");
  failing.reject(Object.assign(new Error("no store"), { code: "TIMEOUT" }));
  expect(await Promise.all([...first, other])).toEqual(["TIMEOUT", "TIMEOUT", "TIMEOUT"]);
  expect(await ask("operator", "batch")).toBe("TIMEOUT");
});

test("an answer ends after so many bytes", async () => {
  const data = Buffer.alloc(BATCH_BYTES / 4 + 1);
  const messages = Array.from(
    { length: 9 },
    (_, n): StoredMessage => ({ seq: n, subject: "s", at: n, data }),
  );
  expect(await endpointOf(async () => messages)("operator", "batch")).toBe(4);
});
