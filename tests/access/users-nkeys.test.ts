import type { Client, Handler } from "@scbe/client";
import { changeDeployment } from "@scbe/credentials";
import { connectProbe, eventually, natsVersions } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { steadyTraffic } from "../kit/traffic.ts";
import { type IssuedDeployment, startIssued } from "./issued-deployment.ts";

const echo: Handler = ({ body }) => ({ body, contentType: "text/plain" });
const asked = {
  ...{ provider: "openai", model: "gpt-5", intent: "chat" },
  ...{ body: Buffer.from("hello"), timeoutMs: 15_000 },
};
/** 200 requests a second. */
const TRAFFIC = { concurrency: 40, everyMs: 200 };

describe.each(natsVersions())("users as nkeys on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("under 200 requests a second", () => {
    let deployment: IssuedDeployment;
    let gateway: Client;
    let orchestrator: Client;

    beforeAll(async () => {
      deployment = await startIssued({ accounts: "nkeys", program });
      gateway = await deployment.client("gateway-openai", { role: "gateway", providers: ["openai"] });
      await gateway.serve({ provider: "openai", handler: echo });
      orchestrator = await deployment.client("orchestrator", { providers: ["openai"] });
    }, 120_000);
    afterAll(async () => {
      await orchestrator?.[Symbol.asyncDispose]();
      await gateway?.[Symbol.asyncDispose]();
      await deployment?.[Symbol.asyncDispose]();
    });

    /** Sends SIGHUP, and waits for the server's log line about the reload. */
    const reload = async (): Promise<void> => {
      const reloads = () => deployment.server.output.match(/Reloaded server configuration/g)?.length ?? 0;
      const before = reloads();
      deployment.server.reload();
      await eventually(() => reloads() > before, { timeoutMs: 10_000 });
    };

    test("a reload with a new user fails no request, and then the new user sends requests", async () => {
      await using traffic = steadyTraffic(TRAFFIC, (requestId) =>
        orchestrator.request({ ...asked, requestId }),
      );
      await traffic.more(100);
      const user = { name: "batch", role: "orchestrator", providers: ["openai"] } as const;
      const { server } = changeDeployment(deployment.folder, { kind: "add", user });
      expect(server).toEqual({ accounts: "nkeys" });
      await reload();
      await traffic.more(100);
      await using batch = await deployment.client("batch");
      const answer = await batch.request(asked);
      expect(Buffer.from(answer.body).toString()).toBe("hello");
      await traffic.more(100);
      await traffic.end();
      expect(traffic.sent.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(traffic.sent.length).toBeGreaterThan(300);
    }, 60_000);

    test("a reload without a user ends its connection, and fails no request of the others", async () => {
      const user = { name: "leaver", role: "orchestrator", providers: ["openai"] } as const;
      const { credentials } = changeDeployment(deployment.folder, { kind: "add", user });
      await reload();
      const transport = credentials.transport("leaver", [deployment.url]);
      await using traffic = steadyTraffic(TRAFFIC, (requestId) =>
        orchestrator.request({ ...asked, requestId }),
      );
      await using leaver = await connectProbe({ name: "leaver", transport });
      changeDeployment(deployment.folder, { kind: "remove", name: "leaver" });
      await reload();
      await leaver.closed;
      await traffic.more(100);
      await traffic.end();
      expect(traffic.sent.filter(({ error }) => error !== undefined)).toEqual([]);
    }, 60_000);
  });
});
