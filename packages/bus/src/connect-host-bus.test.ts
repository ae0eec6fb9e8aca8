import { servedAs, subjectOf } from "@scbe/contracts";
import { issueCredentials } from "@scbe/credentials";
import {
  createTempDir,
  createTestHost,
  eventually,
  natsVersions,
  type SecuredNats,
  startSecuredNats,
  type TestHost,
} from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

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

    it("is who its nkey says, and ready while it is connected", async () => {
      const user = nats.credentials.users.find(({ name }) => name === "gateway-openai");
      expect(host.bus.identity).toBe(user?.nkey);
      expect(host.identity?.publicKey).toBe(user?.nkey);
      expect([stateOf("nats")?.ok, host.readiness.ready]).toEqual([true, true]);
    });

    it("hears at once that it may not ask, rather than wait for an answer", async () => {
      const asked = host.bus.request(
        subjectOf("request", { user: host.bus.user, provider: "openai" }),
        NOTHING,
        { timeoutMs: 60_000 },
      );
      await expect(asked).rejects.toMatchObject({ code: "FORBIDDEN" });
    });

    it("goes on working after a refusal, also for the questions that were open then", async () => {
      await using guard = await hostOf("replay-guard");
      const release = Promise.withResolvers<void>();
      const service = guard.bus.service({
        name: "replay-guard",
        version: "1.0.0",
        description: "answers when it is let",
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

    it("is not ready when the server refuses one of its subscriptions, and says which", async () => {
      host.bus.subscribe("scbe.v1.verdict.openai", () => undefined);
      await eventually(() => !host.readiness.ready);
      expect(stateOf("nats permissions")).toMatchObject({
        ok: false,
        reason: "may not subscribe to scbe.v1.verdict.openai",
      });
    });

    it("goes on without a subscription that it can do without", async () => {
      host.bus.subscribe("scbe.v1.optional", () => undefined, { optional: true });
      host.bus.subscribe("scbe.v1.verdict.openai", () => undefined);
      await eventually(() => !host.readiness.ready);
      await host.bus.flush();
      expect(stateOf("nats permissions")).toMatchObject({
        reason: "may not subscribe to scbe.v1.verdict.openai",
      });
    });

    it("is not ready without one that some part can do without and another cannot", async () => {
      host.bus.subscribe("scbe.v1.both", () => undefined, { optional: true });
      host.bus.subscribe("scbe.v1.both", () => undefined);
      await eventually(() => !host.readiness.ready);
      expect(stateOf("nats permissions")).toMatchObject({ reason: "may not subscribe to scbe.v1.both" });
    });

    it("does not count as serving when the server refuses its endpoint", async () => {
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

    it("is not let in with an nkey that the server does not know, and gives up at once", async () => {
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
