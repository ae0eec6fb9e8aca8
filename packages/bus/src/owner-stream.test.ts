import { ScbeError, subjectOf } from "@scbe/contracts";
import { expect, test } from "vitest";
import { ownerStream } from "./owner-stream.ts";
import { BATCH_MAX, type StoredMessage } from "./store-bus.ts";
import { streamEndpoint } from "./stream-endpoint.ts";

const SUBJECT = subjectOf("auditRead", { user: "operator" });
const GAP = 300;

/** A stream of so many messages but for one, of which an owner tells over a bus that says BUSY to every third question. */
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
  const { handler: answer } = streamEndpoint(source);
  let asked = 0;
  const request = async (_subject: string, data: Uint8Array) => {
    asked += 1;
    if (asked % 3 === 0) throw new ScbeError("BUSY", "too many questions");
    return (await answer({ data, user: "operator" })) as never;
  };
  return { stream: ownerStream({ request }, SUBJECT), asked: () => asked };
}

test("a stream is read through its owner by batches, with its gaps, also while the owner says that it is busy", async () => {
  const { stream, asked } = owned(1000);
  const { last } = await stream.bounds();
  const read: number[] = [];
  for (let from = 1; from <= last; ) {
    const batch = await stream.batch(from, last);
    read.push(...batch.map(({ seq }) => seq));
    from = (batch.at(-1)?.seq ?? last) + 1;
  }
  expect(read).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1).filter((seq) => seq !== GAP));
  expect(asked()).toBeLessThan(10);
});

test("any other error of the owner is one at once", async () => {
  const request = async (): Promise<never> => {
    throw new ScbeError("TIMEOUT", "nothing came");
  };
  await expect(ownerStream({ request }, SUBJECT).bounds()).rejects.toMatchObject({ code: "TIMEOUT" });
});
