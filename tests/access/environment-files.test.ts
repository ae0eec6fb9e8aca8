import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { clientConfig } from "@scbe/client";
import { ACCESS_WITH_FALLBACK } from "@scbe/contracts";
import { issueCredentials, RENDERINGS } from "@scbe/credentials";
import { config as envelope } from "@scbe/envelope-service/config";
import { config as keyring } from "@scbe/keyring/config";
import { config as replayGuard } from "@scbe/replay-guard/config";
import { config as rollbackController } from "@scbe/rollback-controller/config";
import { type ConfigSpec, readConfig } from "@scbe/runtime";
import { createTempDir } from "@scbe/testkit";
import { config as trustScorer } from "@scbe/trust-scorer/config";
import { describe, expect, test } from "vitest";

/** Variables that an operator has to add, since no folder of credentials can know them. */
const OF_A_PERSON: Readonly<Record<string, Record<string, string>>> = {
  keyring: { SCBE_KMS_KEY_ID: "alias/scbe" },
  "replay-guard": { REDIS_URL: "redis://127.0.0.1" },
  "rollback-controller": { ADMIN_TOKEN: "a".repeat(32), EMERGENCY_TOKEN: "b".repeat(32) },
};

const SPECS: Readonly<Record<string, { readonly variables: Readonly<Record<string, unknown>> }>> = {
  ...{ keyring, envelope, "replay-guard": replayGuard, "rollback-controller": rollbackController },
  ...{ "trust-scorer": trustScorer, orchestrator: clientConfig, "gateway-openai": clientConfig },
  narrow: clientConfig,
};

describe.each(RENDERINGS)("the files of variables of accounts as %s", (accounts) => {
  test("with the operator's additions are complete for each process in prod, and name only variables that it reads", () => {
    using dir = createTempDir();
    issueCredentials(dir.path, {
      ...{ accounts, env: "prod", providers: ["openai", "xai"], table: ACCESS_WITH_FALLBACK },
      users: [{ name: "narrow", role: "orchestrator", providers: ["xai"], intents: ["chat"] }],
    });
    for (const [user, spec] of Object.entries(SPECS)) {
      const text = readFileSync(join(dir.path, `${user}.env`), "utf8");
      expect([user, text]).toEqual([user, expect.not.stringMatching(/S[UAO][A-Z2-7]{56}/)]);
      const found = parseEnv(text) as Record<string, string>;
      const unread = Object.keys(found).filter((name) => !isRead(name, spec.variables));
      expect([user, unread]).toEqual([user, []]);
      const variables = { ...found, ...(accounts === "nsc" && existing(found)), ...OF_A_PERSON[user] };
      const reading = readConfig(spec as ConfigSpec, variables);
      expect([user, reading.ok ? [] : reading.problems]).toEqual([user, []]);
    }
    const narrow = parseEnv(readFileSync(join(dir.path, "narrow.env"), "utf8"));
    expect(narrow).toMatchObject({ SCBE_PROVIDERS: "xai", SCBE_INTENTS: "chat", SCBE_FALLBACK: "allow" });
  });
});

/** A secret can come from a file. */
function isRead(name: string, variables: Readonly<Record<string, unknown>>): boolean {
  return name in variables || (name.endsWith("_FILE") && name.slice(0, -"_FILE".length) in variables);
}

/** Existing files in place of the credentials that nsc's commands write later. */
function existing(found: Readonly<Record<string, string>>): Record<string, string> {
  const names = ["NATS_CREDS", "NATS_STORE_CREDS"].filter((name) => name in found);
  return Object.fromEntries(names.map((name) => [name, (found[name] ?? "").replace(/creds$/, "nk")]));
}
