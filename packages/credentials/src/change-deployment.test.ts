import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { takeLock } from "@scbe/runtime";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changeDeployment, openDeployment } from "./change-deployment.ts";
import { RENDERINGS } from "./deployment-file.ts";
import { issueCredentials } from "./issue-credentials.ts";
import { readJwt } from "./jwt.ts";

const DEPLOYMENT = { env: "dev", providers: ["openai", "xai"] } as const;
const BATCH = { name: "batch", role: "orchestrator", providers: ["openai"], intents: ["chat"] } as const;
let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

const refused = expect.objectContaining({ code: "BAD_REQUEST" });

describe.each(RENDERINGS)("a deployment with accounts as %s", (accounts) => {
  const issue = () => issueCredentials(dir.path, { ...DEPLOYMENT, accounts });
  const users = () => openDeployment(dir.path).users.map(({ name }) => name);
  /** All that belongs to users one by one, and all private keys. */
  const owned = () => filesIn(dir.path).filter(([path]) => /\.(seed|nk|creds|env)$/.test(path));

  it("changes no file of another user when one is added, changed or removed", () => {
    issue();
    const before = owned();
    const others = () => owned().filter(([path]) => !path.startsWith("batch."));
    changeDeployment(dir.path, { kind: "add", user: BATCH });
    expect(others()).toEqual(before);
    expect(owned().length).toBe(before.length + 2);
    changeDeployment(dir.path, {
      kind: "change",
      name: "batch",
      change: { providers: ["xai"], intents: null },
    });
    expect(others()).toEqual(before);
    const { user } = changeDeployment(dir.path, { kind: "remove", name: "batch" });
    expect(owned()).toEqual(before);
    expect(user).toMatchObject({ name: "batch", providers: ["xai"] });
    expect(user.intents).toBeUndefined();
  });

  it("has the intents of its creation: processes that serve them get them, and no user may have another one", () => {
    issueCredentials(dir.path, { ...DEPLOYMENT, accounts, intents: ["chat", "tools"] });
    const env = (name: string) => readFileSync(join(dir.path, `${name}.env`), "utf8");
    for (const name of ["keyring", "envelope", "orchestrator", "gateway-xai"])
      expect([name, env(name)]).toEqual([name, expect.stringContaining("SCBE_INTENTS=chat,tools\n")]);
    for (const name of ["replay-guard", "operator"]) expect(env(name)).not.toContain("SCBE_INTENTS");
    const user = { ...BATCH, intents: ["images"] };
    expect(() => changeDeployment(dir.path, { kind: "add", user })).toThrow(
      /the intent images, which this deployment does not serve; it serves chat, tools/,
    );
    changeDeployment(dir.path, { kind: "add", user: { ...BATCH, intents: ["tools"] } });
    expect(env("batch")).toContain("SCBE_INTENTS=tools\n");
  });

  it("keeps changed users and every file when it is created again", () => {
    issue();
    changeDeployment(dir.path, { kind: "add", user: BATCH });
    changeDeployment(dir.path, { kind: "change", name: "orchestrator", change: { providers: ["xai"] } });
    changeDeployment(dir.path, { kind: "remove", name: "gateway-xai" });
    const before = filesIn(dir.path);
    const again = issue();
    expect(filesIn(dir.path)).toEqual(before);
    expect(again.users.find(({ name }) => name === "orchestrator")?.providers).toEqual(["xai"]);
    expect(users()).toContain("batch");
    expect(users()).not.toContain("gateway-xai");
    changeDeployment(dir.path, {
      kind: "add",
      user: { name: "gateway-xai", role: "gateway", providers: ["xai"] },
    });
    expect(users()).toContain("gateway-xai");
  });

  it("refuses a user that does not fit it, and then changes nothing", () => {
    issue();
    const before = filesIn(dir.path);
    const add = (change: object) => () =>
      changeDeployment(dir.path, { kind: "add", user: { ...BATCH, ...change } });
    for (const change of [
      { name: "orchestrator" },
      { name: "*" },
      { name: "a.b" },
      { role: "keyring" },
      { role: "operator", providers: [] },
      { providers: ["groq"] },
      { providers: ["*"] },
      { intents: [">"] },
      { role: "gateway", providers: ["openai", "xai"] },
    ])
      expect(add(change)).toThrow(refused);
    for (const name of ["keyring", "operator", "unknown", "keyring.store", "../x"]) {
      expect(() => changeDeployment(dir.path, { kind: "remove", name })).toThrow(refused);
      const change = { providers: ["xai"] };
      expect(() => changeDeployment(dir.path, { kind: "change", name, change })).toThrow(refused);
    }
    expect(filesIn(dir.path)).toEqual(before);
  });

  it("is not created again with other accounts or for another environment", () => {
    issue();
    const other = accounts === "jwt" ? "nkeys" : "jwt";
    expect(() => issueCredentials(dir.path, { ...DEPLOYMENT, accounts: other })).toThrow(refused);
    expect(() => issueCredentials(dir.path, { ...DEPLOYMENT, env: "prod", accounts })).toThrow(refused);
  });

  it("is changed by one process at a time", () => {
    issue();
    const lock = takeLock(dir.path);
    const add = () => changeDeployment(dir.path, { kind: "add", user: BATCH });
    expect(add).toThrow(expect.objectContaining({ code: "CONFLICT" }));
    expect(users()).not.toContain("batch");
    if (lock.kind === "taken") lock.release();
    expect(add).not.toThrow();
  });

  it("has files that only their owner may read", () => {
    issue();
    for (const [path] of filesIn(dir.path))
      expect([path, statSync(join(dir.path, path)).mode & 0o077]).toEqual([path, 0]);
  });
});

describe("what the servers still need", () => {
  const issue = (accounts: "nkeys" | "jwt" | "nsc") =>
    issueCredentials(dir.path, { ...DEPLOYMENT, accounts });

  it("is a reload if users are nkeys", () => {
    issue("nkeys");
    const { server } = changeDeployment(dir.path, { kind: "add", user: BATCH });
    expect(server).toEqual({ accounts: "nkeys" });
  });

  it("is nothing for an added JWT, and a push of the bus's account for a changed or removed one", () => {
    issue("jwt");
    const gateway = { name: "second", role: "gateway", providers: ["openai"] } as const;
    for (const user of [BATCH, gateway]) {
      const { server } = changeDeployment(dir.path, { kind: "add", user });
      expect(server).toEqual({ accounts: "jwt", push: [] });
    }
    const creds = () => readFileSync(join(dir.path, "batch.creds"), "utf8");
    const jwtIn = (text: string) => readJwt(text.split("\n")[1] ?? "");
    const former = jwtIn(creds());
    const change = { intents: null };
    const { user, server } = changeDeployment(dir.path, { kind: "change", name: "batch", change });
    expect(server).toMatchObject({ push: [{ name: "SCBE_DEV" }] });
    const [account] = "push" in server ? server.push : [];
    const revoked = readJwt(account?.jwt ?? "")?.nats.revocations as Record<string, number>;
    expect(revoked).toEqual({ [user.nkey]: former?.iat });
    // The same second: a revocation covers the whole of it.
    expect(jwtIn(creds())?.iat).toBeGreaterThan(former?.iat ?? 0);
    expect(jwtIn(creds())?.sub).toBe(former?.sub);
    const removal = changeDeployment(dir.path, { kind: "remove", name: "batch" });
    expect(removal.server).toMatchObject({ push: [{ name: "SCBE_DEV" }] });
  });

  it("are nsc's commands for accounts of another operator, for that user only", () => {
    issue("nsc");
    const commands = (change: Parameters<typeof changeDeployment>[1]) => {
      const { server } = changeDeployment(dir.path, change);
      return "commands" in server ? server.commands.join("\n") : "";
    };
    const added = commands({ kind: "add", user: BATCH });
    expect(added).toMatch(/nsc add user --account SCBE_DEV --name batch .* -K orchestrator.intents/);
    expect(added).not.toMatch(/push|keyring/);
    expect(commands({ kind: "remove", name: "batch" })).toMatch(/revocations add-user.*delete user.*push/s);
  });
});

it("a user whose file was lost gets another key, and the former one is revoked", () => {
  const options = { ...DEPLOYMENT, accounts: "jwt" } as const;
  const nkeyOf = (issued: ReturnType<typeof issueCredentials>) =>
    issued.users.find(({ name }) => name === "orchestrator")?.nkey ?? "";
  const former = nkeyOf(issueCredentials(dir.path, options));
  writeFileSync(join(dir.path, "orchestrator.creds"), "");
  expect(() => issueCredentials(dir.path, options)).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  rmSync(join(dir.path, "orchestrator.creds"));
  const again = issueCredentials(dir.path, options);
  expect(nkeyOf(again)).not.toBe(former);
  const bus = again.jwts.find(({ name }) => name === "SCBE_DEV");
  expect(readJwt(bus?.jwt ?? "")?.nats.revocations).toHaveProperty(former);
});

/** Paths and contents of all files but the lock, in order. */
function filesIn(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/^lock\.\d+$/.test(entry.name))
    .map((entry): [string, string] => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    })
    .sort(([one], [other]) => (one < other ? -1 : 1));
}
