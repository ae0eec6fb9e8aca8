import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Handler } from "@scbe/client";
import { natsVersions } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { startIssued } from "./issued-deployment.ts";

const SERVICES = ["keyring", "replay-guard", "envelope", "rollback-controller", "trust-scorer"];
const echo: Handler = ({ body }) => ({ body, contentType: "text/plain" });

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  test.skipIf(program === undefined)(
    "a sealed request is answered over accounts as JWTs, with certificates at both ends and rediss://, each process with its own file of variables",
    async () => {
      await using deployment = await startIssued({ accounts: "jwt", program, tls: true, services: SERVICES });
      await using gateway = await deployment.client("gateway-openai", {
        role: "gateway",
        providers: ["openai"],
      });
      await gateway.serve({ provider: "openai", handler: echo });
      await using orchestrator = await deployment.client("orchestrator");
      const body = Buffer.from("hello");
      const answer = await orchestrator.request({
        ...{ provider: "openai", model: "gpt-5", intent: "chat", body, timeoutMs: 20_000 },
      });
      expect(Buffer.from(answer.body).toString()).toBe("hello");
      expect(answer.isSealed).toBe(true);

      const { certificates, url } = deployment;
      const { NATS_TLS_CERT: _cert, NATS_TLS_KEY: _key, ...bare } = deployment.variables("orchestrator");
      await expect(
        deployment.client("orchestrator", { variables: bare, timeoutMs: 3000 }),
        `a client without ${certificates?.clientCert} at ${url}`,
      ).rejects.toThrow();
    },
    180_000,
  );

  test("only creds, seeds and keys hold a seed, and only their owner can read them", async () => {
    await using deployment = await startIssued({ accounts: "jwt", program, services: [] });
    for (const entry of readdirSync(deployment.folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || path.includes("/jetstream/")) continue;
      expect([path, (statSync(path).mode & 0o077).toString(8)]).toEqual([path, "0"]);
      if (!/\.(creds|seed)$/.test(path)) expect(readFileSync(path, "utf8")).not.toMatch(/S[UAO][A-Z2-7]{56}/);
    }
  });
});
