import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Credentials } from "@scbe/credentials";
import {
  accountsToPush,
  changeDeployment,
  issueCredentials,
  pushAccounts,
  pushCredsIn,
} from "@scbe/credentials";
import {
  createTempDir,
  createTestHost,
  eventually,
  type NatsServer,
  natsVersions,
  startNats,
  startVersionProxy,
  type TempDir,
  type TestHost,
  type VersionProxy,
} from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { connectHostStore } from "../host.ts";
import { ReconnectPause } from "./reconnecting.ts";

const NOTHING = new Uint8Array(0);
const OLD = "2.11.3";
const REFUSED =
  "nats-server 2.11.3 lets every user publish anywhere (CVE-2026-33249); take 2.11.15, 2.12.6 or a later one";
const REMOVED = "this user's credentials are no longer accepted: were they removed or replaced?";

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a process whose connection is down", () => {
    let dir: TempDir;
    let credentials: Credentials;
    let nats: NatsServer;
    let proxy: VersionProxy;
    let host: TestHost;
    const reasonOf = (name: string) => host.readiness.report().find((row) => row.name === name)?.reason;
    const linesOf = (msg: string) => host.logs.lines.filter((line) => line.msg?.includes(msg) === true);

    beforeEach(async () => {
      dir = createTempDir();
      credentials = issueCredentials(dir.path, { env: "dev", providers: ["openai"] });
      nats = await startNats({ program, configFile: credentials.configFile });
      proxy = await startVersionProxy(nats.port);
      const transport = credentials.transport("keyring", [proxy.url]);
      host = await createTestHost({ name: "keyring", transport });
    });
    afterEach(async () => {
      await host[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    });

    it("never uses a server of a refused version, reports it, and uses a good one as soon as there is one", async () => {
      host.bus.subscribe("scbe.v1.control.doc", () => undefined, { optional: true });
      await host.bus.flush();
      const before = proxy.connections;
      proxy.version = OLD;
      proxy.cut();
      await eventually(() => reasonOf("nats") === REFUSED);
      await eventually(() => proxy.connections >= before + 4);
      expect([host.bus.connected, host.readiness.ready, reasonOf("nats")]).toEqual([false, false, REFUSED]);
      expect(() => host.bus.publish("any", NOTHING)).toThrow("the connection to NATS is down");
      await expect(host.bus.request("any", NOTHING, { timeoutMs: 5000 })).rejects.toMatchObject({
        code: "DISCONNECTED",
      });
      expect(proxy.written).toMatch(/^CONNECT /);
      expect(proxy.written).not.toMatch(/nkey|"sig"|\bSUB |\bPUB |\bHPUB /);
      expect(linesOf("CVE-2026-33249")).toMatchObject([{ level: "error" }]);
      expect(linesOf("no longer accepted")).toEqual([]);

      proxy.version = undefined;
      await eventually(() => host.readiness.ready, { timeoutMs: 3000 });
      await host.bus.flush();
      expect(linesOf("NATS is back")).toHaveLength(1);
    });

    it("reports the same for the account of its store", async () => {
      const transport = credentials.storeTransport("keyring", [proxy.url]);
      const { log, readiness } = host;
      await using store = await connectHostStore({ ...transport, log, readiness });
      expect(store.connected).toBe(true);
      proxy.version = OLD;
      proxy.cut();
      await eventually(() => reasonOf("store") === REFUSED);
      proxy.version = undefined;
      await eventually(() => readiness.ready, { timeoutMs: 3000 });
    });

    it("tries less and less often after its user was removed, logs that once, and comes back with its user", async () => {
      const user = { name: "leaver", role: "orchestrator", providers: ["openai"] } as const;
      const added = changeDeployment(dir.path, { kind: "add", user });
      const configuration = readFileSync(credentials.configFile);
      await nats.reload();
      await host[Symbol.asyncDispose]();
      const transport = added.credentials.transport("leaver", [proxy.url]);
      host = await createTestHost({ name: "leaver", transport });

      changeDeployment(dir.path, { kind: "remove", name: "leaver" });
      await nats.reload();
      await eventually(() => reasonOf("nats") === REMOVED);
      const before = proxy.connections;
      await delay(4000);
      expect(proxy.connections - before).toBeLessThanOrEqual(4);
      expect([host.readiness.ready, reasonOf("nats")]).toEqual([false, REMOVED]);
      expect(linesOf(REMOVED)).toMatchObject([{ level: "error" }]);
      expect(linesOf("the NATS server reported an error").length).toBeLessThanOrEqual(1);

      writeFileSync(credentials.configFile, configuration);
      await nats.reload();
      await eventually(() => host.readiness.ready, { timeoutMs: 15_000 });
      expect(linesOf("NATS is back")).toHaveLength(1);
    }, 40_000);
  });

  describe.skipIf(program === undefined)("a process whose JWT is revoked", () => {
    it("reports that its credentials are no longer accepted, and comes back with the new ones", async () => {
      using dir = createTempDir();
      const providers = ["openai", "xai"];
      const issued = issueCredentials(dir.path, { accounts: "jwt", env: "dev", providers });
      await using nats = await startNats({ program, configFile: issued.configFile });
      const user = { name: "shrinker", role: "orchestrator", providers } as const;
      const { credentials } = changeDeployment(dir.path, { kind: "add", user });
      const transport = credentials.transport("shrinker", [nats.url]);
      const current = join(dir.path, "shrinker.creds");
      const credsFile = join(dir.path, "shrinker.copy.creds");
      copyFileSync(current, credsFile);
      await using host = await createTestHost({ name: "shrinker", transport: { ...transport, credsFile } });

      const change = { providers: ["openai"] };
      changeDeployment(dir.path, { kind: "change", name: "shrinker", change });
      await pushAccounts({
        transport: { servers: [nats.url], credsFile: pushCredsIn(dir.path) },
        accounts: accountsToPush(dir.path),
        log: host.log,
      });
      await eventually(() => host.readiness.report()[0]?.reason === REMOVED);
      copyFileSync(current, credsFile);
      await eventually(() => host.readiness.ready, { timeoutMs: 10_000 });
    }, 30_000);
  });
});

/** Sleeps as the library does until its next try; returns how long that took. */
function slept(pause: ReconnectPause, clock: { now: number }, lastTries: readonly number[]): number {
  const from = clock.now;
  for (let part = 0; part < 1000; part += 1) {
    const lastTry = lastTries[part % lastTries.length] ?? 0;
    const wait = pause.waitMs();
    if (lastTry + wait <= clock.now) return clock.now - from;
    const sleep = Math.min(wait, lastTry + wait - clock.now);
    expect(sleep).toBeLessThanOrEqual(1500);
    clock.now += sleep;
  }
  throw new Error("it never tries again");
}

test.each([0, 0.999])("pauses grow to 15 to 30 s while the user is refused (random: %d)", (random) => {
  const clock = { now: 5000 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => random,
  );
  const pauses = Array.from({ length: 9 }, () => {
    pause.tries("a");
    const triedAt = clock.now;
    pause.refused();
    return slept(pause, clock, [triedAt]);
  });
  const share = random === 0 ? 0.5 : 1;
  const expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000].map((ms) => ms * share);
  for (const [index, ms] of expected.entries()) {
    expect(Math.abs((pauses[index] ?? 0) - ms)).toBeLessThanOrEqual(ms * 0.01 + 250);
  }
});

test("a pause applies to all servers of a cluster, however long ago each was tried", () => {
  const clock = { now: 0 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => 1,
  );
  for (let round = 0; round < 6; round += 1) pause.refused();
  pause.tries("a");
  clock.now = 400;
  pause.tries("b");
  clock.now = 800;
  pause.refused();
  expect(slept(pause, clock, [0, 400])).toBeGreaterThan(29_000);
});

test("a try follows a plain loss within half a second, also after refusals", () => {
  const clock = { now: 0 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => 1,
  );
  pause.tries("a");
  expect(slept(pause, clock, [0])).toBeLessThanOrEqual(500);
  for (let times = 0; times < 8; times += 1) pause.refused();
  pause.tries("a");
  expect(slept(pause, clock, [clock.now])).toBeLessThanOrEqual(500);
});

test("pauses are short again once the connection was back", () => {
  const clock = { now: 0 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => 1,
  );
  for (let times = 0; times < 8; times += 1) pause.refused();
  pause.ends();
  pause.tries("a");
  pause.refused();
  expect(slept(pause, clock, [0])).toBeLessThanOrEqual(1000);
});
