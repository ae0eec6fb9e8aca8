import { connectStore, type StoreBus } from "@scbe/bus";
import { STREAMS } from "@scbe/contracts";
import { collectLogs, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import { WAITING_MAX } from "../src/audit/log.ts";
import { auditStream } from "../src/audit/stream.ts";
import { verifyStream } from "../src/audit/verify.ts";
import type { AuditEntry } from "../src/ports.ts";
import { auditOn, recordOf } from "./audit-on.ts";

describe("the audit, with a controller's rights alone", () => {
  let nats: SecuredNats;
  let bus: StoreBus;

  beforeEach(async () => {
    nats = await startSecuredNats();
    bus = await connectStore({ ...nats.storeTransport("control"), log: collectLogs().log });
    return async () => {
      await bus[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    };
  });

  test("entries are stored in order, read newest first, and form one chain", async () => {
    await using stack = new AsyncDisposableStack();
    const { audit, count, logs } = auditOn(bus);
    stack.use(audit);
    for (let n = 1; n <= 40; n += 1) audit.append(recordOf(n));
    await eventually(async () => (await count("stored")) === 40);
    const newest = await audit.read({ limit: 3 });
    expect(newest.map(({ seq, reason }) => [seq, reason])).toEqual([
      [40, "change 40"],
      [39, "change 39"],
      [38, "change 38"],
    ]);
    expect((await audit.read({ limit: 500, before: 39 })).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 38 }, (_, n) => 38 - n),
    );
    expect(await audit.read({ limit: 5, before: 1 })).toEqual([]);
    await expect(audit.read({ limit: 0 })).rejects.toMatchObject({ code: "BAD_REQUEST" });
    const found = await verifyStream(bus.stream(STREAMS.audit));
    expect(found).toMatchObject({
      ok: true,
      first: 1,
      last: 40,
      entries: 40,
      end: { hash: newest[0]?.hash },
    });
    expect(logs.lines.filter(({ msg }) => msg === "audited").at(-1)).toMatchObject({
      seq: 40,
      hash: newest[0]?.hash,
    });
  });

  test("two controllers that write at once lose nothing, and fork nothing", async () => {
    await using other = await connectStore({ ...nats.storeTransport("control"), log: collectLogs().log });
    await using stack = new AsyncDisposableStack();
    const [left, right] = [auditOn(bus), auditOn(other)];
    stack.use(left.audit);
    stack.use(right.audit);
    for (let n = 1; n <= 30; n += 1) {
      left.audit.append(recordOf(n, "left"));
      right.audit.append(recordOf(n, "right"));
    }
    const stored = async () => (await left.count("stored")) + (await right.count("stored"));
    await eventually(async () => (await stored()) === 60, { timeoutMs: 20_000 });
    expect(await verifyStream(bus.stream(STREAMS.audit))).toMatchObject({ ok: true, entries: 60 });
    const entries = [...(await left.audit.read({ limit: 500 }))].reverse();
    for (const by of ["left", "right"]) {
      const own = entries.filter((entry) => entry.by === by).map(({ at }) => at);
      expect(own).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
    }
  });

  test("while the server is away entries wait, no kill is delayed, and the chain continues afterwards", async () => {
    await using stack = new AsyncDisposableStack();
    const { audit, count, readiness } = auditOn(bus);
    stack.use(audit);
    audit.append(recordOf(1));
    await eventually(async () => (await count("stored")) === 1);
    await nats.server.kill();
    await eventually(() => !bus.connected);
    audit.append(recordOf(2));
    await eventually(async () => (await count("failed")) > 0);
    expect(readiness.report()).toMatchObject([
      { ok: true, note: expect.stringMatching(/^DISCONNECTED: 1 audit/) },
    ]);
    expect(readiness.ready).toBe(true);
    await nats.server.restart();
    await eventually(async () => (await count("stored")) === 2, { timeoutMs: 20_000 });
    expect(readiness.report()[0]?.note).toBeUndefined();
    expect(await verifyStream(bus.stream(STREAMS.audit))).toMatchObject({ ok: true, entries: 2 });
  });

  test("an entry whose acknowledgement was lost is stored once", async () => {
    const stream = auditStream(bus);
    await using stack = new AsyncDisposableStack();
    const { audit, count } = auditOn(bus);
    stack.use(audit);
    audit.append(recordOf(1));
    await eventually(async () => (await count("stored")) === 1);
    const [entry] = await audit.read({ limit: 1 });
    expect(await stream.store(entry as AuditEntry)).toBe("stored");
    expect(await stream.store({ ...(entry as AuditEntry), hash: "A".repeat(43) })).toBe("taken");
    expect(await bus.stream(STREAMS.audit).bounds()).toMatchObject({ last: 1 });
  });

  test("records without room are counted, and that is itself audited when the stream takes entries again", async () => {
    await using stack = new AsyncDisposableStack();
    const { audit, count, logs } = auditOn(bus);
    stack.use(audit);
    nats.server.pause();
    for (let n = 1; n <= WAITING_MAX + 7; n += 1) audit.append(recordOf(n));
    expect([audit.waiting, await count("dropped")]).toEqual([WAITING_MAX, 7]);
    expect(logs.lines.filter(({ msg }) => msg?.startsWith("audit records are dropped"))).toHaveLength(1);
    nats.server.resume();
    await eventually(async () => (await count("stored")) === WAITING_MAX + 1, { timeoutMs: 30_000 });
    expect(await audit.read({ limit: 1 })).toMatchObject([
      {
        seq: WAITING_MAX + 1,
        action: "audit",
        reason: "7 records were dropped while the audit stream took none",
      },
    ]);
  });

  test("a controller that stops meanwhile logs how many are lost", async () => {
    const { audit, logs, count } = auditOn(bus);
    nats.server.pause();
    audit.append(recordOf(1));
    audit.append(recordOf(2));
    await audit[Symbol.asyncDispose]();
    expect(logs.lines.at(-1)).toMatchObject({ level: "error", count: 2, msg: "audit records are lost" });
    expect(await count("dropped")).toBe(2);
    nats.server.resume();
  });
});
