import { STREAMS, subjectOf } from "@scbe/contracts";
import { collectLogs, natsVersions, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BATCH_BYTES, type StoreBus, type StreamReader } from "../store-bus.ts";
import { connectStore } from "./connect.ts";

const { log } = collectLogs();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const CAPACITY = 2000;

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a stream, written and read by its owner", () => {
    let nats: SecuredNats;
    let guard: StoreBus;
    let security: StreamReader;

    const report = (provider: string, id: string) =>
      guard.publishAcknowledged(subjectOf("nonceReuse", { provider }), bytes(id), { id, timeoutMs: 2000 });

    beforeAll(async () => {
      nats = await startSecuredNats({ program, providers: ["openai", "xai"] });
      guard = await connectStore({ ...nats.storeTransport("replay"), log });
      security = guard.stream(STREAMS.security);
    });
    afterAll(async () => {
      await guard[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    });

    it("is empty at first, and has no message of any number", async () => {
      expect(await security.bounds()).toMatchObject({ last: 0, messages: 0 });
      expect([await security.get(1), await security.next(1)]).toEqual([undefined, undefined]);
    });

    it("returns a message by its number, with its subject and bytes, and the bounds of the numbers", async () => {
      expect(await report("openai", "a")).toEqual({ seq: 1, duplicate: false });
      expect(await report("openai", "a")).toEqual({ seq: 1, duplicate: true });
      const found = await security.get(1);
      expect(found).toMatchObject({ seq: 1, subject: subjectOf("nonceReuse", { provider: "openai" }) });
      expect(Buffer.from(found?.data ?? "").toString()).toBe("a");
      expect(Math.abs((found?.at ?? 0) - Date.now())).toBeLessThan(60_000);
      expect(await security.bounds()).toMatchObject({ first: 1, last: 1, messages: 1 });
    });

    it("finds the next message after a gap of dropped ones", async () => {
      await report("xai", "kept");
      await Promise.all(Array.from({ length: CAPACITY + 1 }, (_, n) => report("openai", `flood-${n}`)));
      expect(await security.get(1)).toBeUndefined();
      expect(await security.next(1)).toMatchObject({
        seq: 2,
        subject: subjectOf("nonceReuse", { provider: "xai" }),
      });
      expect(await security.next(3)).toMatchObject({ seq: 4 });
      const { last } = await security.bounds();
      expect(await security.next(last + 1)).toBeUndefined();
      const batch = await security.batch(1, last);
      expect([batch[0]?.seq, batch[1]?.seq, batch.length]).toEqual([2, 4, 255]);
      expect(await security.batch(last + 1, last)).toEqual([]);
    });

    it("stores a message that names its predecessor only as the next one", async () => {
      await using audit = await connectStore({ ...nats.storeTransport("control"), log });
      const store = (id: string, expectedLastSequence: number) =>
        audit.publishAcknowledged("scbe.v1.audit", bytes(id), { id, timeoutMs: 2000, expectedLastSequence });
      expect(await store("one", 0)).toEqual({ seq: 1, duplicate: false });
      await expect(store("other", 0)).rejects.toMatchObject({ code: "CONFLICT" });
      // Servers differ in which of the two they check first.
      const again = await store("one", 0).catch((error: { code: string }) => error.code);
      expect([{ seq: 1, duplicate: true }, "CONFLICT"]).toContainEqual(again);
      expect(await store("two", 1)).toEqual({ seq: 2, duplicate: false });
    });

    it("returns batches that end after a limit in bytes, and continues with the next one", async () => {
      await using control = await connectStore({ ...nats.storeTransport("control"), log });
      const audit = control.stream(STREAMS.audit);
      const from = (await audit.bounds()).last + 1;
      const MESSAGES = 100;
      const data = Buffer.alloc(16 * 1024);
      const options = (n: number) => ({ id: `long-${n}`, timeoutMs: 5000 });
      for (let n = 0; n < MESSAGES; n += 1)
        await control.publishAcknowledged("scbe.v1.audit", data, options(n));
      const { last } = await audit.bounds();
      const read: number[] = [];
      for (let next = from; next <= last; ) {
        const batch = await audit.batch(next, last);
        expect(batch.length * data.length).toBeLessThan(BATCH_BYTES + 33 * data.length);
        read.push(...batch.map(({ seq }) => seq));
        next = (batch.at(-1)?.seq ?? last) + 1;
      }
      expect(read).toEqual(Array.from({ length: MESSAGES }, (_, n) => from + n));
    });

    it("distinguishes a missing stream from a forbidden one", async () => {
      await expect(security.get(1).then(() => guard.stream(STREAMS.audit).bounds())).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      await using bare = await startSecuredNats({ program, provisioned: false });
      await using early = await connectStore({ ...bare.storeTransport("control"), log });
      await expect(early.stream(STREAMS.audit).bounds()).rejects.toMatchObject({ code: "NOT_READY" });
    });
  });
});
