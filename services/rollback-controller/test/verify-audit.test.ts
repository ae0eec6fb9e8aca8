import { connectBus, connectStore, provision, type StoreBus, type Transport } from "@scbe/bus";
import { type ControlState, STORE_ACCOUNTS, STREAMS, SUBJECTS } from "@scbe/contracts";
import { type ControlDocument, signControl } from "@scbe/envelope/control";
import {
  collectLogs,
  connectProbe,
  createIdentity,
  eventually,
  type NatsServer,
  type Probe,
  startNats,
  startProcess,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Verification, verifyStream } from "../src/audit/verify.ts";
import { firstState } from "../src/control/state.ts";
import { readEndpoints } from "../src/endpoints.ts";
import type { AuditEntry } from "../src/ports.ts";
import { auditOn, recordOf } from "./audit-on.ts";

const PROGRAM = new URL("../src/verify-audit.ts", import.meta.url).pathname;
const name = "rollback-controller";

/** Answers the command like a controller. */
async function serve(
  transport: Transport,
  store: StoreBus,
  current?: ControlDocument,
): Promise<AsyncDisposable> {
  const bus = await connectBus({ ...transport, name, log: collectLogs().log });
  const audit = store.stream(STREAMS.audit);
  await bus
    .service(readEndpoints({ plane: { current }, audit, trust: { document: undefined }, version: "0.0.0" }))
    .join();
  return bus;
}

test("the command finds the audit intact, with the operator's rights", async () => {
  await using nats = await startSecuredNats();
  await using bus = await connectStore({ ...nats.storeTransport("control"), log: collectLogs().log });
  await using stack = new AsyncDisposableStack();
  const { audit, count } = auditOn(bus);
  stack.use(audit);
  audit.append(recordOf(1));
  await eventually(async () => (await count("stored")) === 1);
  stack.use(await serve(nats.transport(name), bus));
  const { servers, nkeySeedFile = "" } = nats.transport("operator");
  const env = { NATS_URL: servers.join(","), NATS_NKEY_SEED_FILE: nkeySeedFile };
  const [{ hash = "" } = {}] = await audit.read({ limit: 1 });
  const said = await run(env);
  expect(said).toMatchObject({
    code: 0,
    stdout: `ok: 1 entries, 1 to 1\nlast entry 1:${hash}\nnot compared with the control document: SCBE_CONTROL_PUBLIC_KEY is not set\n`,
  });
  expect(await run(env, "--expect", `1:${hash}`)).toMatchObject({ code: 0 });
  expect(await run(env, "--expect", `1:${"A".repeat(43)}`)).toMatchObject({ code: 1 });
  expect(await run(env, "--expect", `2:${hash}`)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("entry 2: missing"),
  });
});

describe("the command, with the control document", () => {
  const controller = createIdentity();
  const documentNaming = (audit: ControlState["audit"], identity = controller): ControlDocument =>
    signControl({ ...firstState("dev", []), generation: 7, ...(audit && { audit }) }, identity);

  test("finds the entry that it names, and reports that it was cut off or replaced", async () => {
    await using nats = await startSecuredNats();
    await using store = await connectStore({ ...nats.storeTransport("control"), log: collectLogs().log });
    const { audit, count } = auditOn(store);
    for (let n = 1; n <= 3; n += 1) audit.append(recordOf(n));
    await eventually(async () => (await count("stored")) === 3);
    await audit[Symbol.asyncDispose]();
    expect(audit.end?.seq).toBe(3);
    const { servers, nkeySeedFile = "" } = nats.transport("operator");
    const env = {
      NATS_URL: servers.join(","),
      NATS_NKEY_SEED_FILE: nkeySeedFile,
      SCBE_ENVIRONMENT: "dev",
      SCBE_CONTROL_PUBLIC_KEY: controller.publicKey,
    };
    const verify = async (document: ControlDocument | undefined) => {
      await using _ = await serve(nats.transport(name), store, document);
      const { code, stdout, stderr } = await run(env);
      return { code, says: stdout + stderr };
    };
    const { end } = audit;
    expect(await verify(documentNaming(end))).toEqual({
      code: 0,
      says: expect.stringMatching(/^compared with the control document: entry 3$/m),
    });
    expect(await verify(documentNaming(undefined))).toEqual({
      code: 0,
      says: expect.stringMatching(/^not compared with the control document: it names no entry$/m),
    });
    const later = end && { ...end, seq: 4 };
    expect(await verify(documentNaming(later))).toEqual({
      code: 1,
      says: expect.stringMatching(/entry 4: missing/),
    });
    const other = { seq: 3, hash: "A".repeat(43) };
    expect(await verify(documentNaming(other))).toEqual({
      code: 1,
      says: expect.stringMatching(/entry 3: replaced/),
    });
    const forged = documentNaming(end, createIdentity());
    expect(await verify(forged)).toEqual({ code: 2, says: expect.stringMatching(/SCBE_CONTROL_PUBLIC_KEY/) });
    expect(await verify(undefined)).toEqual({ code: 2, says: expect.stringMatching(/no document yet/) });
  });
});

describe("the command, over a stream that was changed with the rights of the server's operator", () => {
  let nats: NatsServer;
  let admin: Probe;
  let bus: StoreBus;
  let serving: AsyncDisposable;
  let honest: string[];

  beforeAll(async () => {
    nats = await startNats();
    const log = collectLogs().log;
    const transports = STORE_ACCOUNTS.map((account) => ({ servers: [nats.url], account }));
    await provision({ transports, log, env: "dev", replicas: 1 });
    admin = await connectProbe({ name: "admin", transport: { servers: [nats.url] } });
    bus = await connectStore({ servers: [nats.url], account: "control", log });
    serving = await serve({ servers: [nats.url] }, bus);
    const { audit, count } = auditOn(bus);
    for (let n = 1; n <= 6; n += 1) audit.append(recordOf(n));
    await eventually(async () => (await count("stored")) === 6);
    honest = [...(await audit.read({ limit: 6 }))].reverse().map((entry) => JSON.stringify(entry));
    await audit[Symbol.asyncDispose]();
    await api("STREAM.DELETE.SCBE_AUDIT");
  });
  afterAll(async () => {
    await serving[Symbol.asyncDispose]();
    await admin[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
  });

  async function api(subject: string, ask: object = {}): Promise<void> {
    const answer = JSON.parse(await admin.request(`$JS.API.${subject}`, JSON.stringify(ask)));
    if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
  }

  /** A stream of that name with exactly these messages. */
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

  test("the same entries, written again, are intact", async () => {
    await using _ = await put(honest);
    expect(await verify()).toEqual({ code: 0, problems: [] });
  });

  test("an altered entry is named", async () => {
    await using _ = await put(altered(4, (text) => text.replace("change 4", "change 5")));
    expect(await verify()).toEqual({ code: 1, problems: [[4, "altered"]] });
  });

  test("a wrong hash is named, and that the next entry had another predecessor", async () => {
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

  test("a deleted entry is named", async () => {
    await using _ = await put(honest);
    await api(`STREAM.MSG.DELETE.${STREAMS.audit}`, { seq: 3, no_erase: true });
    expect(await verify()).toEqual({ code: 1, problems: [[3, "missing"]] });
  });

  test("an entry that was left out when the stream was rewritten is named", async () => {
    await using _ = await put(honest.filter((_text, index) => index !== 2));
    expect((await verify()).problems[0]).toEqual([3, "out of place"]);
  });

  test("two entries in another order are named", async () => {
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

  test("the oldest entries, purged while the stream has room, are missing", async () => {
    await using _ = await put(honest);
    await api(`STREAM.PURGE.${STREAMS.audit}`, { seq: 3 });
    expect(await verify()).toEqual({ code: 1, problems: [[2, "missing"]] });
  });

  test("the newest entries, cut off, are missing against a noted end", async () => {
    await using _ = await put(honest.slice(0, 4));
    const { hash } = JSON.parse(honest[5] ?? "") as AuditEntry;
    expect((await verify()).code).toBe(0);
    const { code, stdout } = await run({ NATS_URL: nats.url }, "--expect", `6:${hash}`);
    expect([code, stdout]).toEqual([1, expect.stringContaining("entry 6: missing: it was noted")]);
  });

  test("an end that is noted twice with different hashes is wrong at least once", async () => {
    const wrong = { seq: 6, hash: "A".repeat(43) };
    await using _ = await put(honest);
    const right = { seq: 6, hash: (JSON.parse(honest[5] ?? "") as AuditEntry).hash };
    for (const noted of [
      [wrong, right],
      [right, wrong],
    ])
      expect((await verifyStream(bus.stream(STREAMS.audit), noted)).problems).toMatchObject([
        { seq: 6, problem: "replaced" },
      ]);
  });

  test("a stream that does not exist, or cannot be reached, is not intact", async () => {
    const said = await run({ NATS_URL: nats.url });
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr).toMatch(/stream SCBE_AUDIT: there is no such stream/);
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
