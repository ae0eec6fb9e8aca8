import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { partsOfCreds } from "@scbe/bus";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { nkeys } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { issueCredentials } from "./issue-credentials.ts";
import { readJwt } from "./jwt.ts";
import { accountsToPush } from "./push-accounts.ts";

const DEPLOYMENT = { accounts: "jwt", env: "dev", providers: ["openai", "xai"] } as const;
let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

const text = (...path: string[]): string => readFileSync(join(dir.path, ...path), "utf8");
/** Every JWT of the folder. */
const jwts = (): string[] => [
  text("operator.jwt"),
  ...readdirSync(join(dir.path, "resolver")).map((name) => text("resolver", name)),
  ...[...readdirSync(dir.path), "keys/push.creds"]
    .filter((name) => name.endsWith(".creds"))
    .map((name) => partsOfCreds(text(name))?.jwt ?? ""),
];

describe("accounts as JWTs", () => {
  it("are signed by the key that they name, as nkeys.js verifies", () => {
    issueCredentials(dir.path, DEPLOYMENT);
    expect(jwts().length).toBeGreaterThan(20);
    for (const jwt of jwts()) {
      const [header = "", claims = "", signature = ""] = jwt.split(".");
      expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
        ...{ typ: "JWT", alg: "ed25519-nkey" },
      });
      const issuer = nkeys.fromPublic(readJwt(jwt)?.iss ?? "");
      const bytes = Buffer.from(signature, "base64url");
      expect(issuer.verify(Buffer.from(`${header}.${claims}`), bytes)).toBe(true);
    }
  });

  it("give the bus no JetStream, each store only its own streams, and permit no answer to any reply subject", () => {
    const issued = issueCredentials(dir.path, DEPLOYMENT);
    const limits = issued.jwts.map(({ name, jwt }) => {
      const limit = readJwt(jwt)?.nats.limits as Record<string, unknown> | undefined;
      return [name, limit?.streams, limit?.disk_storage];
    });
    expect(limits).toEqual([
      ["SCBE_DEV_SYSTEM", undefined, undefined],
      ["SCBE_DEV", undefined, undefined],
      ["SCBE_DEV_KEYRING", 1, -1],
      ["SCBE_DEV_REPLAY", 2, -1],
      ["SCBE_DEV_CONTROL", 2, -1],
      ["SCBE_DEV_TRUST", 2, -1],
    ]);
    // To the server a `resp` of zeros permits every user to answer.
    for (const jwt of jwts()) expect(JSON.stringify(readJwt(jwt))).not.toMatch(/"resp"|allow_responses/);
  });

  it("are signed again for a push: a server that has read the same JWT at a reload ignores it", () => {
    const issued = issueCredentials(dir.path, DEPLOYMENT);
    const pushed = accountsToPush(dir.path);
    expect(pushed.map(({ name }) => name).sort()).toEqual(issued.jwts.map(({ name }) => name).sort());
    for (const { name, jwt } of pushed) {
      const before = issued.jwts.find((account) => account.name === name)?.jwt ?? "";
      expect(jwt).not.toBe(before);
      expect(readJwt(jwt)?.nats).toEqual(readJwt(before)?.nats);
    }
    issueCredentials(join(dir.path, "other"), { ...DEPLOYMENT, accounts: "nkeys" });
    expect(() => accountsToPush(join(dir.path, "other"))).toThrow("holds no accounts as JWTs");
  });

  it("have different users of the same name in the bus and the system account", () => {
    const issued = issueCredentials(dir.path, {
      ...DEPLOYMENT,
      users: [{ name: "push", role: "orchestrator", providers: ["openai"] }],
    });
    const push = issued.users.find(({ name }) => name === "push");
    expect(push?.nkey).toBe(readJwt(partsOfCreds(text("push.creds"))?.jwt ?? "")?.sub);
    expect(push?.nkey).not.toBe(readJwt(partsOfCreds(text("keys/push.creds"))?.jwt ?? "")?.sub);
  });
});
