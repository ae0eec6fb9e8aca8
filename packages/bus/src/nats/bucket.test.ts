import { BUCKETS, KV_KEYS, STORE_ACCOUNTS, STREAMS, subjectOf } from "@scbe/contracts";
import {
  collectLogs,
  eventually,
  type NatsServer,
  natsVersions,
  startNats,
  startSecuredNats,
} from "@scbe/testkit";
import { connect as connectRaw } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Bucket, BucketEntry, StoreBus } from "../store-bus.ts";
import { connectStore } from "./connect.ts";
import { provision } from "./provision.ts";

const { log } = collectLogs();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (entry: BucketEntry | undefined): string | undefined =>
  entry && Buffer.from(entry.value).toString();
const NAME = BUCKETS.keyring;
const STREAM = `KV_${NAME}`;

const provisioned = (url: string) =>
  provision({
    transports: STORE_ACCOUNTS.map((account) => ({ servers: [url], account })),
    log,
    env: "dev",
    replicas: 1,
  });
const connect = (url: string): Promise<StoreBus> => connectStore({ servers: [url], account: "keyring", log });

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a bucket", () => {
    let nats: NatsServer;
    let bus: StoreBus;
    let bucket: Bucket;
    let keys = 0;
    let key = "";

    beforeAll(async () => {
      nats = await startNats({ program });
      await provisioned(nats.url);
      bus = await connect(nats.url);
      bucket = await bus.bucket(NAME);
    });
    beforeEach(() => {
      keys += 1;
      key = `key-${keys}`;
    });
    afterAll(async () => {
      await bus[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    });

    it("has no value for a key that was never written", async () => {
      expect(await bucket.get(key)).toBeUndefined();
    });

    it("returns the written value, with the revision that the write returned", async () => {
      const revision = await bucket.create(key, bytes("one"));
      expect(textOf(await bucket.get(key))).toBe("one");
      expect((await bucket.get(key))?.revision).toBe(revision);
    });

    it("lets one of two creations succeed", async () => {
      const results = await Promise.allSettled([
        bucket.create(key, bytes("a")),
        bucket.create(key, bytes("b")),
      ]);
      const lost = results.filter((result) => result.status === "rejected");
      expect(lost).toMatchObject([{ reason: { code: "CONFLICT" } }]);
    });

    it("refuses an update of an old revision, and keeps the value", async () => {
      const first = await bucket.create(key, bytes("one"));
      const second = await bucket.update(key, bytes("two"), first);
      await expect(bucket.update(key, bytes("three"), first)).rejects.toMatchObject({ code: "CONFLICT" });
      expect(await bucket.get(key)).toMatchObject({ revision: second });
      expect(textOf(await bucket.get(key))).toBe("two");
    });

    it("reads a deleted key like a missing one, and can create it again", async () => {
      await bucket.create(key, bytes("one"));
      const raw = await connectRaw({ servers: nats.url });
      await (await raw.jetstream().views.kv(NAME)).delete(key);
      await raw.close();
      expect(await bucket.get(key)).toBeUndefined();
      await bucket.create(key, bytes("two"));
      expect(textOf(await bucket.get(key))).toBe("two");
    });

    it("keeps the last values of a key, newest first", async () => {
      let revision = await bucket.create(key, bytes("0"));
      for (let n = 1; n <= 6; n += 1) revision = await bucket.update(key, bytes(String(n)), revision);
      const history = await bucket.history(key);
      expect(history.map(textOf)).toEqual(["6", "5", "4", "3", "2"]);
      expect(history[0]?.revision).toBe(revision);
      expect(await bucket.history("never-written")).toEqual([]);
    });

    it("is awaited until provisioning has created it", async () => {
      await using own = await startNats({ program });
      const early = await connect(own.url);
      const waiting = early.bucket(NAME);
      await provisioned(own.url);
      expect(await (await waiting).get("k")).toBeUndefined();
      await early[Symbol.asyncDispose]();
    });

    it("is no longer awaited once aborted", async () => {
      const aborting = new AbortController();
      const waiting = bus.bucket("SCBE_NEVER", { signal: aborting.signal });
      aborting.abort();
      await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    });

    describe("watched", () => {
      let seen: (string | undefined)[] = [];
      let watch: AsyncDisposable | undefined;
      const follow = (reconcileMs = 60_000): void => {
        watch = bucket.watch(key, (entry) => void seen.push(textOf(entry)), { reconcileMs });
      };
      beforeEach(() => {
        seen = [];
      });
      afterEach(async () => {
        await watch?.[Symbol.asyncDispose]();
        watch = undefined;
      });

      it("delivers the current value and every change, each once", async () => {
        const first = await bucket.create(key, bytes("one"));
        follow(30);
        await eventually(() => seen.length === 1);
        const second = await bucket.update(key, bytes("two"), first);
        await eventually(() => seen.length === 2);
        await bucket.update(key, bytes("three"), second);
        await eventually(() => seen.length === 3);
        expect(seen).toEqual(["one", "two", "three"]);
      });

      it("delivers a missing value, and continues after its listener has failed", async () => {
        watch = bucket.watch(key, (entry) => {
          seen.push(textOf(entry));
          throw new Error("a defect of the listener");
        });
        await eventually(() => seen.length === 1);
        await bucket.create(key, bytes("one"));
        await eventually(() => seen.length === 2);
        expect(seen).toEqual([undefined, "one"]);
      });

      it("delivers nothing after its disposal", async () => {
        follow();
        await eventually(() => seen.length === 1);
        await watch?.[Symbol.asyncDispose]();
        const revision = await bucket.create(key, bytes("one"));
        await eventually(async () => (await bucket.get(key))?.revision === revision);
        expect(seen).toEqual([undefined]);
      });

      it("is read again after a restart of the server, in which the watch has lost a change", async () => {
        const first = await bucket.create(key, bytes("one"));
        follow();
        await eventually(() => seen.length === 1);
        await nats.kill();
        await eventually(() => !bus.connected);
        await nats.restart();
        const other = await connect(nats.url);
        await (await other.bucket(NAME)).update(key, bytes("two"), first);
        await other[Symbol.asyncDispose]();
        await eventually(() => seen.length === 2, { timeoutMs: 4000 });
        expect(seen).toEqual(["one", "two"]);
      });

      it("follows a bucket that has gone back, as after a restore", async () => {
        await bucket.create(key, bytes("later"));
        follow(50);
        await eventually(() => seen.length === 1);
        const raw = await connectRaw({ servers: nats.url });
        const manager = await raw.jetstreamManager();
        await manager.streams.delete(STREAM);
        await provisioned(nats.url);
        await raw.jetstream().publish(`$KV.${NAME}.${key}`, bytes("earlier"));
        await raw.close();
        await eventually(() => seen.at(-1) === "earlier");
        expect(seen[0]).toBe("later");
      });
    });

    it("fails at once while the link is down", async () => {
      await using own = await startNats({ program });
      await provisioned(own.url);
      const lonely = await connect(own.url);
      const bound = await lonely.bucket(NAME);
      await own.kill();
      await eventually(() => !lonely.connected);
      const started = performance.now();
      await expect(bound.get("k")).rejects.toMatchObject({ code: "DISCONNECTED" });
      await expect(bound.create("k", bytes("v"))).rejects.toMatchObject({ code: "DISCONNECTED" });
      expect(performance.now() - started).toBeLessThan(2500);
      await lonely[Symbol.asyncDispose]();
    });

    it("can be read, written and watched with the rights of its owner's row in the access table", async () => {
      await using secured = await startSecuredNats({ program });
      const owner = await connectStore({ ...secured.storeTransport("keyring"), log });
      const ring = await owner.bucket(NAME);
      const heard: (string | undefined)[] = [];
      await using _watch = ring.watch(KV_KEYS.ring, (entry) => void heard.push(textOf(entry)));
      await eventually(() => heard.length === 1);
      const revision = await ring.create(KV_KEYS.ring, bytes("one"));
      await ring.update(KV_KEYS.ring, bytes("two"), revision);
      await eventually(() => heard.at(-1) === "two");
      await expect(ring.get("another")).rejects.toMatchObject({ code: "FORBIDDEN" });
      await owner[Symbol.asyncDispose]();
    });
  });

  describe.skipIf(program === undefined)("an acknowledged publish", () => {
    const subject = subjectOf("nonceReuse", { provider: "openai" });

    it("is stored when it resolves, once for each id", async () => {
      await using nats = await startNats({ program });
      await provisioned(nats.url);
      const bus = await connect(nats.url);
      for (const id of ["a", "a", "b"])
        await bus.publishAcknowledged(subject, bytes(id), { id, timeoutMs: 2000 });
      await bus[Symbol.asyncDispose]();
      const raw = await connectRaw({ servers: nats.url });
      const { state } = await (await raw.jetstreamManager()).streams.info(STREAMS.security);
      await raw.close();
      expect(state.messages).toBe(2);
    });

    it("fails without a stream, and without an answer in time", async () => {
      await using nats = await startNats({ program });
      const bus = await connect(nats.url);
      const publish = (timeoutMs: number) =>
        bus.publishAcknowledged(subject, bytes("x"), { id: "1", timeoutMs });
      await expect(publish(2000)).rejects.toMatchObject({ code: "NO_RESPONDERS" });
      nats.pause();
      await expect(publish(100)).rejects.toMatchObject({ code: "TIMEOUT" });
      nats.resume();
      await bus[Symbol.asyncDispose]();
    });
  });
});
