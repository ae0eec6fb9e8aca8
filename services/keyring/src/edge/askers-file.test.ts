import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { issueCredentials } from "@scbe/service-kit";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readAskersFile } from "./askers-file.ts";

let dir: TempDir;
let path: string;

beforeEach(() => {
  dir = createTempDir();
  path = join(dir.path, "askers.json");
});
afterEach(() => dir[Symbol.dispose]());

const nkey = `U${"A".repeat(55)}`;
const asker = { nkey, role: "gateway", providers: ["openai"] };

test("the list that is issued with the credentials is read, by nkey", async () => {
  const users = [{ name: "narrow", role: "orchestrator" as const, providers: ["openai"], intents: ["chat"] }];
  const issued = issueCredentials(dir.path, { env: "dev", providers: ["openai", "xai"], users });
  const askers = await readAskersFile(issued.askersFile);
  const found = [...askers.values()].map(({ role, providers, intents }) => ({ role, providers, intents }));
  expect(found).toEqual([
    { role: "envelope", providers: ["openai", "xai"] },
    { role: "orchestrator", providers: ["openai", "xai"] },
    { role: "gateway", providers: ["openai"] },
    { role: "gateway", providers: ["xai"] },
    { role: "orchestrator", providers: ["openai"], intents: ["chat"] },
  ]);
  expect([...askers.keys()]).toEqual([...askers.values()].map((it) => it.nkey));
});

test("a list of nobody is a list", async () => {
  writeFileSync(path, "[]");
  expect((await readAskersFile(path)).size).toBe(0);
});

test.each([
  ["is no JSON", "[", /cannot be read as JSON/],
  ["is no list", "{}", /expected array/],
  ["has an nkey twice", JSON.stringify([asker, asker]), /an nkey stands twice/],
  ["has an nkey that is none", JSON.stringify([{ ...asker, nkey: "U" }]), /nkey/],
  ["has a private nkey", JSON.stringify([{ ...asker, nkey: `SU${"A".repeat(56)}` }]), /nkey/],
  ["has a malformed provider", JSON.stringify([{ ...asker, providers: ["*"] }]), /providers\[0\]/],
  ["has a malformed intent", JSON.stringify([{ ...asker, intents: ["a.b"] }]), /intents\[0\]/],
  ["has a member too many", JSON.stringify([{ ...asker, seed: "x" }]), /seed/],
  ["has a member too few", JSON.stringify([{ nkey, role: "gateway" }]), /providers/],
])("a file that %s is refused, with where it goes wrong", async (_case, text, where) => {
  writeFileSync(path, text);
  await expect(readAskersFile(path)).rejects.toMatchObject({
    code: "BAD_REQUEST",
    message: expect.stringMatching(where),
  });
});

test("a file that is not there or too large is refused", async () => {
  await expect(readAskersFile(path)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  writeFileSync(path, `[${" ".repeat(4 * 1024 * 1024)}]`);
  await expect(readAskersFile(path)).rejects.toMatchObject({ code: "BAD_REQUEST" });
});
