import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { nkeys } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { issueCredentials } from "./issue-credentials.ts";

const DEPLOYMENT = { env: "dev", providers: ["openai", "xai"] } as const;
let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("issued credentials", () => {
  it("are a seed for each user, in files that only their owner may read, in a folder that only its owner may enter", () => {
    const folder = join(dir.path, "deep", "credentials");
    const { users, seedFile } = issueCredentials(folder, DEPLOYMENT);
    expect(users.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "keyring",
        "envelope",
        "replay-guard",
        "orchestrator",
        "gateway-openai",
        "gateway-xai",
      ]),
    );
    expect(modeOf(folder)).toBe("700");
    for (const file of readdirSync(folder)) expect([file, modeOf(join(folder, file))]).toEqual([file, "600"]);
    for (const { name, nkey } of users) {
      const pair = nkeys.fromSeed(readFileSync(seedFile(name)));
      expect(pair.getPublicKey()).toBe(nkey);
    }
  });

  it("have a key for control documents that belongs to no user, and is kept", () => {
    const first = issueCredentials(dir.path, DEPLOYMENT);
    const pair = nkeys.fromSeed(readFileSync(first.controlSeedFile));
    expect(pair.getPublicKey()).toBe(first.controlPublicKey);
    expect(first.users.map(({ nkey }) => nkey)).not.toContain(first.controlPublicKey);
    expect(issueCredentials(dir.path, DEPLOYMENT).controlPublicKey).toBe(first.controlPublicKey);
  });

  it("put no seed into the files for the server and for services", () => {
    const { configFile, usersFile, keyringPublicKey } = issueCredentials(dir.path, DEPLOYMENT);
    for (const file of [configFile, usersFile]) {
      const text = readFileSync(file, "utf8");
      expect(text).toMatch(/U[A-Z2-7]{55}/);
      expect(text).not.toMatch(/\bS[UA][A-Z2-7]{50}/);
    }
    expect(keyringPublicKey).toMatch(/^U[A-Z2-7]{55}$/);
  });

  it("are kept when they are issued again, also with additional users", () => {
    const first = issueCredentials(dir.path, DEPLOYMENT);
    const second = issueCredentials(dir.path, { ...DEPLOYMENT, orchestrators: ["orchestrator", "batch"] });
    const nkeys = new Map(second.users.map(({ name, nkey }) => [name, nkey]));
    for (const { name, nkey } of first.users) expect(nkeys.get(name)).toBe(nkey);
    expect(second.users).toHaveLength(first.users.length + 1);
  });

  it("are refused if other users may read a seed, or a seed is invalid, which the error does not quote", () => {
    const { seedFile } = issueCredentials(dir.path, DEPLOYMENT);
    chmodSync(seedFile("keyring"), 0o644);
    expect(() => issueCredentials(dir.path, DEPLOYMENT)).toThrow(
      expect.objectContaining({ code: "FORBIDDEN" }),
    );
    chmodSync(seedFile("keyring"), 0o600);
    writeFileSync(seedFile("envelope"), "SUAGARBAGE");
    expect(() => issueCredentials(dir.path, DEPLOYMENT)).toThrow(
      expect.objectContaining({ code: "FORBIDDEN", message: expect.not.stringContaining("GARBAGE") }),
    );
  });

  it("give each user its transport, and know no other users", () => {
    const { transport, seedFile } = issueCredentials(dir.path, DEPLOYMENT);
    expect(transport("keyring", ["nats://a:1"])).toEqual({
      servers: ["nats://a:1"],
      nkeySeedFile: seedFile("keyring"),
      role: "keyring",
    });
    expect(() => transport("unknown", [])).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
    expect(() => seedFile("../keyring")).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });
});
