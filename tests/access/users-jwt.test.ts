import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadIdentity } from "@scbe/bus";
import type { Client, Handler } from "@scbe/client";
import {
  accountsToPush,
  changeDeployment,
  issueCredentials,
  pushAccounts,
  pushCredsIn,
} from "@scbe/credentials";
import { createLogger } from "@scbe/service";
import { connectProbe, createTempDir, eventually, natsVersions, startNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type IssuedDeployment, startIssued } from "./issued-deployment.ts";

const echo: Handler = ({ body }) => ({ body, contentType: "text/plain" });
const asked = {
  provider: "openai",
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from("hello"),
  timeoutMs: 10_000,
};
const log = createLogger({ name: "test", level: "silent" });

describe.each(natsVersions())("users as JWTs on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("of a running deployment", () => {
    let deployment: IssuedDeployment;
    let gateway: Client;

    beforeAll(async () => {
      deployment = await startIssued({ accounts: "jwt", program });
      gateway = await deployment.client("gateway-openai", { role: "gateway", providers: ["openai"] });
      await gateway.serve({ provider: "openai", handler: echo });
    }, 120_000);
    afterAll(async () => {
      await gateway?.[Symbol.asyncDispose]();
      await deployment?.[Symbol.asyncDispose]();
    });

    const push = () =>
      pushAccounts({
        transport: { servers: [deployment.url], credsFile: pushCredsIn(deployment.folder) },
        accounts: accountsToPush(deployment.folder),
        log,
      });
    const add = (name: string) => {
      const user = { name, role: "orchestrator", providers: ["openai"] } as const;
      return changeDeployment(deployment.folder, { kind: "add", user });
    };

    test("a new user sends requests at once, without a reload and without a push", async () => {
      const { server } = add("batch");
      expect(server).toEqual({ accounts: "jwt", push: [] });
      await using client = await deployment.client("batch");
      const answer = await client.request(asked);
      expect(Buffer.from(answer.body).toString()).toBe("hello");
      expect(deployment.server.output).not.toMatch(/[Rr]eload/);
    });

    test("a removed user is disconnected within a second of the push, and stays out; the others stay connected", async () => {
      add("leaver");
      const transport = deployment.transport("orchestrator");
      await using stayer = await connectProbe({ name: "orchestrator", transport });
      const leaverTransport = { ...transport, credsFile: join(deployment.folder, "leaver.creds") };
      const kept = readFileSync(leaverTransport.credsFile);
      await using leaver = await connectProbe({ name: "leaver", transport: leaverTransport });
      const { server } = changeDeployment(deployment.folder, { kind: "remove", name: "leaver" });
      expect(server).toMatchObject({ push: [{ name: "SCBE_DEV" }] });
      const startedAt = performance.now();
      await push();
      await leaver.closed;
      expect(performance.now() - startedAt).toBeLessThan(1000);
      appendFileSync(leaverTransport.credsFile, kept, { mode: 0o600 });
      await expect(connectProbe({ name: "leaver", transport: leaverTransport })).rejects.toMatchObject({
        code: "AUTHORIZATION_VIOLATION",
      });
      expect(await stayer.refusedPublishes(["scbe.v1.control.get.orchestrator"])).toEqual(new Set());
    });

    // The effect of a reload depends on the server's version: 2.9 ends the connection, 2.15 does not.
    test("a user that is removed only in the resolver's folder stays connected, and a push disconnects it whether a reload did or not", async () => {
      add("stayer");
      const transport = { ...deployment.transport("orchestrator"), credsFile: credsOf("stayer") };
      await using probe = await connectProbe({ name: "stayer", transport });
      changeDeployment(deployment.folder, { kind: "remove", name: "stayer" });
      expect(await probe.refusedPublishes(["scbe.v1.control.get.stayer"])).toEqual(new Set());
      deployment.server.reload();
      await eventually(() => deployment.server.output.includes("Reloaded server configuration"));
      await push();
      await probe.closed;
    });

    test("a changed user loses its removed rights at once, and its process continues with the rest", async () => {
      const user = { name: "shrinker", role: "orchestrator", providers: ["openai", "xai"] } as const;
      changeDeployment(deployment.folder, { kind: "add", user });
      await using client = await deployment.client("shrinker", { providers: ["openai"] });
      await client.request(asked);
      const before = readFileSync(credsOf("shrinker"), "utf8");
      const change = { providers: ["openai"] };
      changeDeployment(deployment.folder, { kind: "change", name: "shrinker", change });
      expect(readFileSync(credsOf("shrinker"), "utf8")).not.toBe(before);
      await push();
      const answer = await eventually(() => client.request({ ...asked, timeoutMs: 2000 }), {
        timeoutMs: 20_000,
      });
      expect(Buffer.from(answer.body).toString()).toBe("hello");
      const transport = { ...deployment.transport("orchestrator"), credsFile: credsOf("shrinker") };
      await using probe = await connectProbe({ name: "shrinker", transport });
      const [own, other] = ["openai", "xai"].map((provider) => `scbe.v1.keyring.grant.shrinker.${provider}`);
      expect(await probe.refusedPublishes([own ?? "", other ?? ""])).toEqual(new Set([other]));
    });

    const credsOf = (name: string): string => join(deployment.folder, `${name}.creds`);
  });

  test.skipIf(program === undefined)(
    "a user with the maximum of providers and intents of the longest names connects, and has the rights of each",
    async () => {
      using dir = createTempDir();
      const names = (letter: string, length: number) =>
        Array.from({ length }, (_, index) => longest(`${letter}${index}`));
      const [providers, intents] = [names("p", 64), names("i", 28)];
      const user = { name: longest("u"), role: "orchestrator", providers, intents } as const;
      const issued = issueCredentials(dir.path, {
        ...{ accounts: "jwt", env: "dev", providers, gateways: [], users: [user] },
      });
      const transport = issued.transport(user.name, []);
      const { jwt = "" } = loadIdentity(transport) ?? {};
      // The server's default limit of a line, which this deployment's configuration raises.
      expect(jwt.length).toBeGreaterThan(4096);
      await using server = await startNats({ configFile: issued.configFile, program });
      await using probe = await connectProbe({
        name: user.name,
        transport: { ...transport, servers: [server.url] },
      });
      const subject = (provider = "", intent = "") =>
        `scbe.v1.envelope.seal.request.${user.name}.${provider}.${intent}`;
      const [first, last, other] = [
        subject(providers[0], intents[0]),
        subject(providers[63], intents[27]),
        subject(providers[63], longest("x")),
      ];
      expect(await probe.refusedPublishes([first, last, other])).toEqual(new Set([other]));
    },
  );
});

/** A name of 64 characters. */
function longest(start: string): string {
  return start.padEnd(64, "_");
}
