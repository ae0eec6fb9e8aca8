import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWhole } from "./start-whole.ts";

const NONE = "no token is set: the control API refuses every request that needs one";
const ENTRY = { name: "alice", role: "admin", sha256: "0".repeat(64) };

let nats: SecuredNats;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

async function controllerWith(tokens: Readonly<Record<string, string>>) {
  const controller = await startWhole(nats, tokens);
  return {
    note: () => controller.dependency("api tokens")?.note,
    isNotReadyForIt: () => controller.dependency("api tokens")?.ok === false,
    warnings: () => controller.host.logs.lines.filter(({ msg }) => msg?.startsWith(NONE)).length,
    [Symbol.asyncDispose]: () => controller[Symbol.asyncDispose](),
  };
}

test("a controller without any token logs a warning, has a note on /readyz, and is still ready", async () => {
  await using it = await controllerWith({});
  expect([it.note(), it.warnings()]).toEqual([NONE, 1]);
  expect(it.isNotReadyForIt()).toBe(false);
});

test.each(["ADMIN_TOKEN", "EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"])(
  "one with %s alone does not",
  async (variable) => {
    await using it = await controllerWith({ [variable]: "a-token-of-this-test" });
    expect([it.note(), it.warnings()]).toEqual([undefined, 0]);
  },
);

test("one whose file of tokens is empty does, until the file has an entry, and again once it has none", async () => {
  using dir = createTempDir();
  const file = join(dir.path, "tokens.json");
  writeFileSync(file, "[]", { mode: 0o600 });
  await using it = await controllerWith({ SCBE_API_TOKENS_FILE: file });
  expect([it.note(), it.warnings()]).toEqual([NONE, 1]);
  writeFileSync(file, JSON.stringify([ENTRY]));
  await eventually(() => it.note() === undefined, { timeoutMs: 10_000 });
  writeFileSync(file, "[]");
  await eventually(() => it.note() === NONE, { timeoutMs: 10_000 });
  expect(it.warnings()).toBe(2);
});
