import { STREAMS, SUBJECTS } from "@scbe/contracts";
import { type Bus, connectBus, createReadiness, provision, Registry, systemClock } from "@scbe/service-kit";
import {
  collectLogs,
  connectProbe,
  eventually,
  type NatsServer,
  type Probe,
  type SecuredNats,
  startNats,
  startProcess,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AuditLog, WAITING_MAX } from "../src/audit/audit-log.ts";
import { auditMetrics } from "../src/audit/audit-metrics.ts";
import { type Verification, verifyStream } from "../src/audit/verify-stream.ts";
import { auditStream } from "../src/edge/audit-stream.ts";
import type { AuditEntry, AuditRecord } from "../src/ports.ts";

const PROGRAM = new URL("../src/verify-audit.ts", import.meta.url).pathname;
const name = "rollback-controller";

const recordOf = (n: number, by = "admin"): AuditRecord => ({
  at: n,
  action: "flags",
  by,
  reason: `change ${n}`,
});

/** An audit on a bus, and what it shows of itself. */
function auditOn(bus: Bus) {
  const registry = new Registry();
  const logs = collectLogs();
  const readiness = createReadiness();
  const audit = new AuditLog({
    stream: auditStream(bus),
    clock: systemClock,
    log: logs.log,
    metrics: auditMetrics(registry),
    readiness,
  });
  const count = async (result: string): Promise<number> => {
    const rows = (await registry.getSingleMetric("scbe_audit_entries_total")?.get())?.values ?? [];
    return rows.find(({ labels }) => labels.result === result)?.value ?? 0;
  };
  return { audit, logs, readiness, count };
}

describe("the audit, with a controller's rights alone", () => {
  let nats: SecuredNats;
  let bus: Bus;

  beforeEach(async () => {
    nats = await startSecuredNats();
    bus = await connectBus({ ...nats.transport(name), name, log: collectLogs().log });
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
    await using other = await connectBus({ ...nats.transport(name), name, log: collectLogs().log });
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

  test("while the server is away entries wait, no kill is held up, and the chain goes on after it", async () => {
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

  test("what has no room is counted, and that is itself audited when the stream takes something again", async () => {
    await using stack = new AsyncDisposableStack();
    const { audit, count, logs } = auditOn(bus);
    stack.use(audit);
    nats.server.pause();
    for (let n = 1; n <= WAITING_MAX + 7; n += 1) audit.append(recordOf(n));
    expect([audit.waiting, await count("dropped")]).toEqual([WAITING_MAX, 7]);
    expect(logs.lines.filter(({ msg }) => msg?.startsWith("an audit record was dropped"))).toHaveLength(1);
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

  test("whoever stops meanwhile says how many are lost", async () => {
    const { audit, logs, count } = auditOn(bus);
    nats.server.pause();
    audit.append(recordOf(1));
    audit.append(recordOf(2));
    await audit[Symbol.asyncDispose]();
    expect(logs.lines.at(-1)).toMatchObject({ level: "error", count: 2, msg: "audit records are lost" });
    expect(await count("dropped")).toBe(2);
    nats.server.resume();
  });

  test("the command finds it whole, with the operator's rights", async () => {
    await using stack = new AsyncDisposableStack();
    const { audit, count } = auditOn(bus);
    stack.use(audit);
    audit.append(recordOf(1));
    await eventually(async () => (await count("stored")) === 1);
    const { servers, nkeySeedFile = "" } = nats.transport("operator");
    const env = { NATS_URL: servers.join(","), NATS_NKEY_SEED_FILE: nkeySeedFile };
    const [{ hash = "" } = {}] = await audit.read({ limit: 1 });
    const said = await run(env);
    expect(said).toMatchObject({ code: 0, stdout: `ok: 1 entries, 1 to 1\nlast entry 1:${hash}\n` });
    expect(await run(env, "--expect", `1:${hash}`)).toMatchObject({ code: 0 });
    expect(await run(env, "--expect", `1:${"A".repeat(43)}`)).toMatchObject({ code: 1 });
    expect(await run(env, "--expect", `2:${hash}`)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("entry 2: missing"),
    });
  });
});

describe("the command, over a stream that somebody with the server's own rights has tampered with", () => {
  let nats: NatsServer;
  let admin: Probe;
  let bus: Bus;
  let honest: string[];

  beforeAll(async () => {
    nats = await startNats();
    const log = collectLogs().log;
    await provision({ servers: [nats.url], name: "provision", log, env: "dev", replicas: 1 });
    admin = await connectProbe({ name: "admin", transport: { servers: [nats.url] } });
    bus = await connectBus({ servers: [nats.url], name, log });
    const { audit, count } = auditOn(bus);
    for (let n = 1; n <= 6; n += 1) audit.append(recordOf(n));
    await eventually(async () => (await count("stored")) === 6);
    honest = [...(await audit.read({ limit: 6 }))].reverse().map((entry) => JSON.stringify(entry));
    await audit[Symbol.asyncDispose]();
    await api("STREAM.DELETE.SCBE_AUDIT");
  });
  afterAll(async () => {
    await admin[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
  });

  async function api(subject: string, ask: object = {}): Promise<void> {
    const answer = JSON.parse(await admin.request(`$JS.API.${subject}`, JSON.stringify(ask)));
    if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
  }

  /** A stream of that name that holds just this. */
  async function put(entries: readonly string[]): Promise<AsyncDisposable> {
    const config = { name: STREAMS.audit, subjects: [SUBJECTS.audit], storage: "file", max_bytes: 1_000_000 };
    await api(`STREAM.CREATE.${STREAMS.audit}`, config);
    for (const entry of entries) await admin.request(SUBJECTS.audit, entry);
    return { [Symbol.asyncDispose]: () => api(`STREAM.DELETE.${STREAMS.audit}`) };
  }

  const verify = async () => {
    const { code, stdout } = await run({ NATS_URL: nats.url }, "--json");
    const { problems } = JSON.parse(stdout) as Verification;
    return { code, problems: problems.map(({ seq, problem }) => [seq, problem]) };
  };
  const altered = (n: number, change: (text: string) => string): string[] =>
    honest.map((text, index) => (index === n - 1 ? change(text) : text));

  test("the same entries, put there again, are whole", async () => {
    await using _ = await put(honest);
    expect(await verify()).toEqual({ code: 0, problems: [] });
  });

  test("an altered one is named", async () => {
    await using _ = await put(altered(4, (text) => text.replace("change 4", "change 5")));
    expect(await verify()).toEqual({ code: 1, problems: [[4, "altered"]] });
  });

  test("a wrong hash is named, and that the next one had another before it", async () => {
    const { hash } = JSON.parse(honest[2] ?? "") as AuditEntry;
    await using _ = await put(altered(3, (text) => text.replace(hash, "A".repeat(43))));
    expect(await verify()).toEqual({
      code: 1,
      problems: [
        [3, "altered"],
        [3, "replaced"],
      ],
    });
  });

  test("a deleted one is named", async () => {
    await using _ = await put(honest);
    await api(`STREAM.MSG.DELETE.${STREAMS.audit}`, { seq: 3, no_erase: true });
    expect(await verify()).toEqual({ code: 1, problems: [[3, "missing"]] });
  });

  test("one that was left out when the stream was written anew is named", async () => {
    await using _ = await put(honest.filter((_text, index) => index !== 2));
    expect((await verify()).problems[0]).toEqual([3, "out of place"]);
  });

  test("two in another order are named", async () => {
    await using _ = await put([0, 1, 3, 2, 4, 5].map((index) => honest[index] ?? ""));
    expect(await verify()).toEqual({
      code: 1,
      problems: [
        [3, "out of place"],
        [4, "out of place"],
        [4, "replaced"],
      ],
    });
  });

  test("the oldest ones purged, while the stream has room, are missing", async () => {
    await using _ = await put(honest);
    await api(`STREAM.PURGE.${STREAMS.audit}`, { seq: 3 });
    expect(await verify()).toEqual({ code: 1, problems: [[2, "missing"]] });
  });

  test("the newest ones cut off show against an end that was noted", async () => {
    await using _ = await put(honest.slice(0, 4));
    const { hash } = JSON.parse(honest[5] ?? "") as AuditEntry;
    expect((await verify()).code).toBe(0);
    const { code, stdout } = await run({ NATS_URL: nats.url }, "--expect", `6:${hash}`);
    expect([code, stdout]).toEqual([1, expect.stringContaining("entry 6: missing: it was noted")]);
  });

  test("a stream that is not there, or cannot be reached, is no whole one", async () => {
    const said = await run({ NATS_URL: nats.url });
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr).toMatch(/stream SCBE_AUDIT: there is none/);
  });

  test.each([
    [["--expect", "1:short"], 2, /expected SEQ:HASH/],
    [["--nonsense"], 2, /nonsense/],
    [["--help"], 0, /^$/],
  ])("arguments %j end with %i", async (args, code, says) => {
    const said = await run({ NATS_URL: nats.url }, ...args);
    expect([said.code, said.stderr]).toEqual([code, expect.stringMatching(says)]);
  });
});

async function run(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  await using program = startProcess(process.execPath, [PROGRAM, ...args], { env });
  const { code } = await program.exited;
  return { code, stdout: program.stdout, stderr: program.stderr };
}
