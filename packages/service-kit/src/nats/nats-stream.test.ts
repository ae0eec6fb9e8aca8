import { STREAMS, subjectFor } from "@scbe/contracts";
import { collectLogs, natsVersions, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bus, StreamReader } from "../bus.ts";
import { connectBus } from "./connect-bus.ts";

const { log } = collectLogs();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const CAPACITY = 2000;

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a stream, read with no more rights than a reader's row", () => {
    let nats: SecuredNats;
    let guard: Bus;
    let reader: Bus;
    let security: StreamReader;

    const report = (provider: string, id: string) =>
      guard.publishAcknowledged(subjectFor("nonceReuse", provider), bytes(id), { id, timeoutMs: 2000 });

    beforeAll(async () => {
      nats = await startSecuredNats({ program, providers: ["openai", "xai"] });
      guard = await connectBus({ ...nats.transport("replay-guard"), name: "replay-guard", log });
      const name = "rollback-controller";
      reader = await connectBus({ ...nats.transport(name), name, log });
      security = reader.stream(STREAMS.security);
    });
    afterAll(async () => {
      await guard[Symbol.asyncDispose]();
      await reader[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    });

    it("is empty at first, and has no message of any number", async () => {
      expect(await security.bounds()).toMatchObject({ last: 0, messages: 0 });
      expect([await security.get(1), await security.next(1)]).toEqual([undefined, undefined]);
    });

    it("gives a message by its number, with its subject and bytes, and says which are there", async () => {
      expect(await report("openai", "a")).toEqual({ seq: 1, duplicate: false });
      expect(await report("openai", "a")).toEqual({ seq: 1, duplicate: true });
      const found = await security.get(1);
      expect(found).toMatchObject({ seq: 1, subject: subjectFor("nonceReuse", "openai") });
      expect(Buffer.from(found?.data ?? "").toString()).toBe("a");
      expect(Math.abs((found?.at ?? 0) - Date.now())).toBeLessThan(60_000);
      expect(await security.bounds()).toMatchObject({ first: 1, last: 1, messages: 1 });
    });

    it("finds the next one across the gap that dropped messages have left", async () => {
      await report("xai", "kept");
      await Promise.all(Array.from({ length: CAPACITY + 1 }, (_, n) => report("openai", `flood-${n}`)));
      expect(await security.get(1)).toBeUndefined();
      expect(await security.next(1)).toMatchObject({ seq: 2, subject: subjectFor("nonceReuse", "xai") });
      expect(await security.next(3)).toMatchObject({ seq: 4 });
      const { last } = await security.bounds();
      expect(await security.next(last + 1)).toBeUndefined();
    });

    it("stores a message that names its predecessor only as the very next one", async () => {
      await using audit = await connectBus({
        ...nats.transport("rollback-controller"),
        name: "rollback-controller",
        log,
      });
      const store = (id: string, expectedLastSequence: number) =>
        audit.publishAcknowledged("scbe.v1.audit", bytes(id), { id, timeoutMs: 2000, expectedLastSequence });
      expect(await store("one", 0)).toEqual({ seq: 1, duplicate: false });
      await expect(store("other", 0)).rejects.toMatchObject({ code: "CONFLICT" });
      // Servers differ in which of the two they look at first.
      const again = await store("one", 0).catch((error: { code: string }) => error.code);
      expect([{ seq: 1, duplicate: true }, "CONFLICT"]).toContainEqual(again);
      expect(await store("two", 1)).toEqual({ seq: 2, duplicate: false });
    });

    it("that is not there, or not for this user, says which", async () => {
      await expect(security.get(1).then(() => guard.stream(STREAMS.audit).bounds())).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      await using bare = await startSecuredNats({ program, provisioned: false });
      const name = "rollback-controller";
      await using early = await connectBus({ ...bare.transport(name), name, log });
      await expect(early.stream(STREAMS.audit).bounds()).rejects.toMatchObject({ code: "NOT_READY" });
    });
  });
});
