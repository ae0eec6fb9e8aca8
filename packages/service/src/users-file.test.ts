import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { issueCredentials } from "@scbe/credentials";
import { createReadiness } from "@scbe/runtime";
import { collectLogs, createIdentity, createTempDir, eventually, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UsersFile } from "./users-file.ts";

let dir: TempDir;
let path: string;

beforeEach(() => {
  dir = createTempDir();
  path = join(dir.path, "users.json");
});
afterEach(() => dir[Symbol.dispose]());

const nkey = createIdentity().publicKey;
const user = { name: "gateway-openai", nkey, role: "gateway", providers: ["openai"] };
const readiness = createReadiness();
const open = () => UsersFile.open({ path, log: collectLogs().log, readiness });

test("the list that is issued with the credentials is read, by nkey and by name", async () => {
  const users = [{ name: "narrow", role: "orchestrator" as const, providers: ["openai"], intents: ["chat"] }];
  const issued = issueCredentials(dir.path, { env: "dev", providers: ["openai", "xai"], users });
  using file = await UsersFile.open({ path: issued.usersFile, log: collectLogs().log, readiness });
  expect(file.byName("narrow")).toMatchObject({ role: "orchestrator", intents: ["chat"] });
  expect(file.byNkey(file.byName("gateway-xai")?.nkey ?? "")).toMatchObject({ providers: ["xai"] });
  expect(file.users.map(({ name }) => name)).toEqual(issued.users.map(({ name }) => name));
});

test("an added user is known without a restart, and a broken file changes nothing and is reported", async () => {
  writeFileSync(path, "[]");
  using file = await open();
  const changed = Promise.withResolvers<void>();
  using _ = file.onChange(() => changed.resolve());
  expect(file.users).toEqual([]);
  const replace = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  replace(JSON.stringify([user]));
  await changed.promise;
  expect(file.byName("gateway-openai")).toEqual(user);
  replace("[");
  const note = () => readiness.report().find(({ name }) => name === "users")?.note;
  await eventually(() => note() !== undefined);
  expect(file.byName("gateway-openai")).toEqual(user);
  replace("[ ]");
  await eventually(() => note() === undefined && file.users.length === 0);
});

test.each([
  ["is not JSON", "[", /cannot be read as JSON/],
  ["is not a list", "{}", /expected array/],
  ["has an nkey twice", JSON.stringify([user, { ...user, name: "b" }]), /an nkey is repeated/],
  [
    "has a name twice",
    JSON.stringify([user, { ...user, nkey: createIdentity().publicKey }]),
    /a name is repeated/,
  ],
  ["has an invalid nkey", JSON.stringify([{ ...user, nkey: "U" }]), /nkey/],
  ["has a private nkey", JSON.stringify([{ ...user, nkey: `SU${"A".repeat(56)}` }]), /nkey/],
  ["has a name that is a wildcard", JSON.stringify([{ ...user, name: "*" }]), /name/],
  ["has a malformed provider", JSON.stringify([{ ...user, providers: ["*"] }]), /providers\[0\]/],
  ["has a malformed intent", JSON.stringify([{ ...user, intents: ["a.b"] }]), /intents\[0\]/],
  ["has an unknown role", JSON.stringify([{ ...user, role: "root" }]), /role/],
  ["has a member too many", JSON.stringify([{ ...user, seed: "x" }]), /seed/],
  ["has a member too few", JSON.stringify([{ name: "a", nkey, role: "gateway" }]), /providers/],
])("a file that %s is refused, with the place of the error", async (_case, text, where) => {
  writeFileSync(path, text);
  await expect(open()).rejects.toMatchObject({ code: "BAD_REQUEST", message: expect.stringMatching(where) });
});

test("a missing file, or one that is too large, is refused", async () => {
  await expect(open()).rejects.toMatchObject({ code: "BAD_REQUEST" });
  writeFileSync(path, `[${" ".repeat(4 * 1024 * 1024)}]`);
  await expect(open()).rejects.toMatchObject({ code: "BAD_REQUEST" });
});
