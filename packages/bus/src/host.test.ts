import { servedAs, subjectOf } from "@scbe/contracts";
import { issueCredentials } from "@scbe/credentials";
import { createReadiness } from "@scbe/runtime";
import {
  collectLogs,
  createTempDir,
  createTestHost,
  eventually,
  type NatsServer,
  natsVersions,
  type SecuredNats,
  startNats,
  startSecuredNats,
  type TestHost,
} from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "./bus.ts";
import { followReadiness } from "./host.ts";
import { connectBus } from "./nats/connect.ts";

const NOTHING = new Uint8Array(0);

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a process with credentials", () => {
    let nats: SecuredNats;
    let host: TestHost;
    const hostOf = (name: string) => createTestHost({ name, transport: nats.transport(name) });
    const stateOf = (name: string) => host.readiness.report().find((row) => row.name === name);

    beforeAll(async () => {
      nats = await startSecuredNats({ program });
    });
    beforeEach(async () => {
      host = await hostOf("gateway-openai");
    });
    afterEach(() => host[Symbol.asyncDispose]());
    afterAll(() => nats[Symbol.asyncDispose]());

    it("has the identity of its nkey, and is ready while it is connected", async () => {
      const user = nats.credentials.users.find(({ name }) => name === "gateway-openai");
      expect(host.bus.identity).toBe(user?.nkey);
      expect(host.identity?.publicKey).toBe(user?.nkey);
      expect([stateOf("nats")?.ok, host.readiness.ready]).toEqual([true, true]);
    });

    it("learns at once that it may not publish, and does not wait for an answer", async () => {
      const request = host.bus.request(
        subjectOf("request", { user: host.bus.user, provider: "openai" }),
        NOTHING,
        { timeoutMs: 60_000 },
      );
      await expect(request).rejects.toMatchObject({ code: "FORBIDDEN" });
    });

    it("keeps working after a refusal, also for requests that were open then", async () => {
      await using guard = await hostOf("replay-guard");
      const release = Promise.withResolvers<void>();
      const service = guard.bus.service({
        name: "replay-guard",
        version: "1.0.0",
        description: "answers when the test allows it",
        queue: "replay-guard",
        endpoints: [
          {
            name: "admit",
            ...servedAs("admit"),
            handler: async ({ data }) => {
              await release.promise;
              return { data };
            },
          },
        ],
      });
      await service.join();
      await guard.bus.flush();
      const open = host.bus.request(
        subjectOf("admit", { user: host.bus.user, provider: "openai" }),
        NOTHING,
        { timeoutMs: 5000 },
      );
      await expect(host.bus.request("another", NOTHING, { timeoutMs: 5000 })).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      release.resolve();
      await expect(open).resolves.toBeDefined();
    });

    it("is not ready if the server refuses one of its subscriptions, and names the subject", async () => {
      host.bus.subscribe("scbe.v1.verdict.openai", () => undefined);
      await eventually(() => !host.readiness.ready);
      expect(stateOf("nats permissions")).toMatchObject({
        ok: false,
        reason: "may not subscribe to scbe.v1.verdict.openai",
      });
    });

    it("keeps working without an optional subscription", async () => {
      host.bus.subscribe("scbe.v1.optional", () => undefined, { optional: true });
      host.bus.subscribe("scbe.v1.verdict.openai", () => undefined);
      await eventually(() => !host.readiness.ready);
      await host.bus.flush();
      expect(stateOf("nats permissions")).toMatchObject({
        reason: "may not subscribe to scbe.v1.verdict.openai",
      });
    });

    it("is not ready without a subscription that is both optional and required", async () => {
      host.bus.subscribe("scbe.v1.both", () => undefined, { optional: true });
      host.bus.subscribe("scbe.v1.both", () => undefined);
      await eventually(() => !host.readiness.ready);
      expect(stateOf("nats permissions")).toMatchObject({ reason: "may not subscribe to scbe.v1.both" });
    });

    it("does not count as joined if the server refuses its endpoint", async () => {
      const service = host.bus.service({
        name: "gateway-openai",
        version: "1.0.0",
        description: "in a group that is not its own",
        queue: "another",
        endpoints: [{ name: "request", ...servedAs("request", "openai"), handler: () => undefined }],
      });
      await service.join();
      await eventually(() => !host.readiness.ready && !service.joined);
    });

    it("is refused with an unknown nkey, and gives up at once", async () => {
      using dir = createTempDir();
      const strangers = issueCredentials(dir.path, { env: "dev", providers: ["openai"] });
      const started = performance.now();
      const transport = strangers.transport("keyring", [nats.url]);
      await expect(createTestHost({ name: "keyring", transport })).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      expect(performance.now() - started).toBeLessThan(3000);
    });
  });
});

describe("a service that follows its process's readiness", () => {
  let nats: NatsServer;
  const { log } = collectLogs();
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats[Symbol.asyncDispose]());
  const member = (name: string): Promise<Bus> => connectBus({ servers: [nats.url], name, log });

  it("is in its queue group exactly while the process is ready: another member gets the requests meanwhile", async () => {
    const [one, two, requester] = await Promise.all(["one", "two", "requester"].map(member));
    const readiness = createReadiness();
    readiness.declare("store");
    const service = serve(one as Bus, "one");
    using _following = followReadiness(service, readiness);
    const responders = async () => {
      const requests = Array.from({ length: 20 }, () =>
        (requester as Bus).request("t.name", NOTHING, { timeoutMs: 2000 }),
      );
      return new Set((await Promise.all(requests)).map(({ data }) => Buffer.from(data).toString()));
    };
    await expect(responders()).rejects.toMatchObject({ code: "NO_RESPONDERS" });

    readiness.set("store", { ok: true });
    await eventually(async () => (await responders()).has("one"));
    await serve(two as Bus, "two").join();
    readiness.set("store", { ok: false, reason: "away" });
    await eventually(async () => !(await responders()).has("one"));
    expect(await responders()).toEqual(new Set(["two"]));

    readiness.set("store", { ok: true });
    await eventually(async () => (await responders()).size === 2);
    for (const bus of [one, two, requester]) await bus?.[Symbol.asyncDispose]();
  });
});

function serve(bus: Bus, name: string) {
  return bus.service({
    name,
    version: "1.0.0",
    description: "answers with its name",
    queue: "members",
    endpoints: [{ name: "name", subject: "t.name", handler: () => ({ data: Buffer.from(name) }) }],
  });
}
