import { allStores, STORE_ACCOUNTS, STORES, type StoreRole, subjectOf } from "@scbe/contracts";
import {
  collectLogs,
  type NatsServer,
  natsVersions,
  type SecuredNats,
  startNats,
  startSecuredNats,
} from "@scbe/testkit";
import {
  connect as connectRaw,
  type JetStreamManager,
  type NatsConnection,
  StorageType,
  type StreamConfig,
} from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { planStream, provision, wantedStream } from "./provision.ts";

const { log } = collectLogs();
const STREAMS = STORE_ACCOUNTS.flatMap((account) => allStores(account)).map(({ stream }) => stream);

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("provisioning", () => {
    let nats: NatsServer;
    let raw: NatsConnection;
    let manager: JetStreamManager;
    const run = (options: { env?: "dev" | "prod"; replicas?: number } = {}) =>
      provision({
        transports: STORE_ACCOUNTS.map((account) => ({ servers: [nats.url], account })),
        log,
        env: "dev",
        replicas: 1,
        ...options,
      });

    beforeEach(async () => {
      nats = await startNats({ program });
      raw = await connectRaw({ servers: nats.url });
      manager = await raw.jetstreamManager();
    });
    afterEach(async () => {
      await raw.close();
      await nats[Symbol.asyncDispose]();
    });

    it("creates every bucket and stream in file storage, and changes nothing the second time", async () => {
      const first = await run();
      expect(first).toEqual({
        ok: true,
        streams: STREAMS.map((stream) => ({ stream, outcome: "created", changes: [] })),
      });
      for (const stream of STREAMS) {
        expect((await manager.streams.info(stream)).config).toMatchObject({
          storage: "file",
          num_replicas: 1,
        });
      }
      expect(await run()).toEqual({
        ok: true,
        streams: STREAMS.map((stream) => ({ stream, outcome: "unchanged", changes: [] })),
      });
    });

    it("updates limits that differ, lists them, and keeps the stored messages", async () => {
      await run();
      await raw.jetstream().publish(`$KV.${STORES.keyring.bucket}.ring`, "kept");
      const { stream, maxBytes } = STORES.keyring;
      await manager.streams.update(stream, { max_bytes: 1000 });
      const result = await run();
      expect(result.ok && result.streams.find((each) => each.stream === stream)).toEqual({
        stream,
        outcome: "updated",
        changes: [`max_bytes from 1000 to ${maxBytes}`],
      });
      const { config, state } = await manager.streams.info(stream);
      expect([config.max_bytes, state.messages]).toEqual([maxBytes, 1]);
    });

    it("refuses streams with another environment's stamp, and changes nothing", async () => {
      await run();
      await manager.streams.update(STORES.security.stream, { max_bytes: 1000 });
      const result = await run({ env: "prod" });
      expect(result).toMatchObject({ ok: false });
      expect(!result.ok && result.problems).toHaveLength(STREAMS.length);
      expect(!result.ok && result.problems[0]).toMatch(/"SCBE dev: .*, not "SCBE prod:"/);
      expect((await manager.streams.info(STORES.security.stream)).config.max_bytes).toBe(1000);
    });

    it("refuses a foreign stream, and creates none of the others", async () => {
      const { stream, subjects } = STORES.security;
      await manager.streams.add({ name: stream, subjects: [...subjects], storage: StorageType.Memory });
      const result = await run();
      expect(!result.ok && result.problems).toEqual(
        expect.arrayContaining([
          expect.stringContaining(`stream ${stream}: its description begins with ""`),
          expect.stringContaining("storage is memory, must be file, and cannot be changed"),
        ]),
      );
      await expect(manager.streams.info(STORES.keyring.stream)).rejects.toThrow("stream not found");
    });

    it("limits the security events of each provider, so that one cannot push out another's", async () => {
      await run();
      const { messagesPerSubjectMax: max } = STORES.security;
      const jetstream = raw.jetstream();
      await jetstream.publish(subjectOf("nonceReuse", { provider: "anthropic" }), "evidence");
      for (let sent = 0; sent < max + 5; sent += 1) {
        raw.publish(subjectOf("nonceReuse", { provider: "openai" }), String(sent));
      }
      await jetstream.publish(subjectOf("nonceReuse", { provider: "openai" }), "the last one");
      expect((await manager.streams.info(STORES.security.stream)).state.messages).toBe(max + 1);
    });

    it("changes nothing for replicas on a lone server, which would lose the streams at its next start", async () => {
      const refusal = { ok: false, problems: [expect.stringContaining("3 replicas need a cluster")] };
      expect(await run({ replicas: 3 })).toEqual(refusal);
      await run();
      expect(await run({ replicas: 3 })).toEqual(refusal);
      expect(await run()).toMatchObject({ streams: STREAMS.map(() => ({ outcome: "unchanged" })) });
    });
  });

  describe.skipIf(program === undefined)("with credentials, provisioning", () => {
    const as = (nats: SecuredNats, role: StoreRole) =>
      provision({
        transports: STORE_ACCOUNTS.map((account) => nats.storeTransport(account, role)),
        log,
        env: "dev",
        replicas: 1,
      });

    it("is possible only for each account's user for it", async () => {
      await using nats = await startSecuredNats({ program, provisioned: false });
      expect(await as(nats, "provision")).toMatchObject({ ok: true });
      await using other = await startSecuredNats({ program, provisioned: false });
      await expect(as(other, "store")).rejects.toMatchObject({ code: "FORBIDDEN" });
    });
  });
});

const wanted = wantedStream(STORES.keyring, { env: "dev", replicas: 1 });
const existing = (changes: object = {}): StreamConfig =>
  ({ ...wanted, ...changes }) as unknown as StreamConfig;

describe("a stream", () => {
  it("that is missing is created, and one that is as wanted is kept", () => {
    expect(planStream(wanted, undefined)).toEqual({ does: "create" });
    expect(planStream(wanted, existing())).toEqual({ does: "keep" });
  });

  it.each([
    ["max_bytes", 5],
    ["max_msg_size", -1],
    ["num_replicas", 3],
    ["allow_direct", false],
    ["subjects", ["$KV.SCBE_KEYRING.>", "$KV.ANOTHER.>"]],
    ["description", "SCBE dev: the text of an older version"],
  ])("whose %s differs is updated", (field, value) => {
    const plan = planStream(wanted, existing({ [field]: value }));
    expect(plan).toEqual({ does: "update", changes: [expect.stringContaining(`${field} from `)] });
  });

  it.each([
    ["another environment's stamp", { description: "SCBE prod: the ring" }, '"SCBE prod: the ring"'],
    ["no stamp", { description: undefined }, 'begins with ""'],
    ["memory storage", { storage: "memory" }, "storage is memory"],
    ["another retention", { retention: "workqueue" }, "retention is workqueue"],
    ["a mirror", { mirror: { name: "ANOTHER" } }, "it has mirror"],
    ["sources", { sources: [{ name: "ANOTHER" }] }, "it has sources"],
    [
      "republishing, which would pass its messages on",
      { republish: { src: ">", dest: "x" } },
      "it has republish",
    ],
    ["purging forbidden", { deny_purge: true }, "deny_purge is set"],
    ["a seal", { sealed: true }, "it is sealed"],
  ])("with %s is refused", (_name, changes, problem) => {
    const plan = planStream(wanted, existing(changes));
    expect(plan).toEqual({ does: "refuse", problems: [expect.stringContaining(problem)] });
  });

  it("of another environment is refused although its description contains the stamp further on", () => {
    const description = "mine, not SCBE dev: yours";
    expect(planStream(wanted, existing({ description }))).toMatchObject({ does: "refuse" });
  });
});
