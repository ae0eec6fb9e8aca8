import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createReadiness } from "@scbe/runtime";
import { collectLogs, createTempDir, eventually, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { followTokenFile, TokenBook } from "../src/api/tokens.ts";
import { ADMIN, startApi } from "./api-kit.ts";

const ALICE = "the-token-of-alice-herself";
const BOB = "the-token-of-bob-himself";
const OPS = "the-token-of-another-alertmanager";
const sha256 = (token: string): string => createHash("sha256").update(token).digest("hex");
const alice = { name: "alice", role: "admin", sha256: sha256(ALICE) };
const bob = { name: "bob", role: "emergency", sha256: sha256(BOB) };
const skew = { seconds: 300, duration: "10m", reason: "NTP is being repaired" };
const kill = { scbe_kill_switch: { enabled: true, reason: "x" } };

let dir: TempDir;
let file: string;
const put = (entries: unknown): void => {
  const next = `${file}.next`;
  writeFileSync(next, typeof entries === "string" ? entries : JSON.stringify(entries));
  renameSync(next, file);
};
beforeEach(() => {
  dir = createTempDir();
  file = join(dir.path, "tokens.json");
});
afterEach(() => dir[Symbol.dispose]());

/** An API with the named tokens of a file. */
async function following() {
  const stack = new AsyncDisposableStack();
  const [logs, readiness] = [collectLogs(), createReadiness()];
  const book = new TokenBook({ ADMIN_TOKEN: ADMIN });
  stack.use(followTokenFile(file, book, { log: logs.log, readiness }));
  const api = stack.use(await startApi({ tokens: book }));
  const status = async (token: string): Promise<number> => (await api.ask("/audit", { token })).status;
  const note = () => readiness.report().find(({ name }) => name === "api tokens")?.note;
  return { api, status, note, logs, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe("named tokens", () => {
  it("have the rights of their role, and the audit has their name", async () => {
    put([alice, bob, { name: "second-alertmanager", role: "alertmanager", sha256: sha256(OPS) }]);
    await using it = await following();
    await it.api.ask("/admin/scbe/skew-window", { token: ALICE, body: skew });
    await it.api.ask("/feature-flags", { token: BOB, body: kill });
    await it.api.ask("/admin/scbe/skew-window", { token: ADMIN, body: { ...skew, seconds: 200 } });
    expect(it.api.plane.actors.map(({ by }) => by)).toEqual(["alice", "bob", "admin"]);
    const refused = await it.api.ask("/admin/scbe/skew-window", { token: BOB, body: skew });
    expect([refused.status, refused.body.title]).toEqual([
      403,
      expect.stringMatching(/bob \(emergency\).*role admin/),
    ]);
    expect(await Promise.all([ALICE, BOB, OPS].map(it.status))).toEqual([200, 403, 403]);
    const body = { ...kill, scbe_fallback: { causes: ["availability"], reason: "unseal" } };
    expect((await it.api.ask("/feature-flags", { token: BOB, body })).status).toBe(403);
  });

  it("follow the file, and stay as before while it is not usable", async () => {
    put([alice]);
    await using it = await following();
    expect([await it.status(ALICE), await it.status(BOB)]).toEqual([200, 401]);
    put([bob]);
    await eventually(async () => (await it.status(ALICE)) === 401, { timeoutMs: 10_000 });
    expect(await it.status(BOB)).toBe(403);
    put("[{");
    await eventually(() => it.note()?.includes("not JSON"), { timeoutMs: 10_000 });
    expect(await it.status(BOB)).toBe(403);
    rmSync(file);
    await eventually(() => it.note()?.includes("ENOENT"), { timeoutMs: 10_000 });
    put([alice, bob]);
    await eventually(async () => (await it.status(ALICE)) === 200, { timeoutMs: 10_000 });
    expect(it.note()).toBeUndefined();
  });

  const WRONG: readonly [what: string, entries: unknown, says: RegExp][] = [
    ["no JSON", "alice", /not JSON/],
    ["no list", { alice }, /expected array/],
    ["a name of a variable's token", [{ ...alice, name: "admin" }], /0.name: is reserved/],
    ["a name that the canary has in the audit", [{ ...alice, name: "canary" }], /reserved/],
    ["a name that the offline command has", [{ ...alice, name: "operator" }], /reserved/],
    ["a name like an alert's", [{ ...alice, name: "alert:SCBENonceReuse" }], /0.name/],
    [
      "a role that is none",
      [{ ...alice, role: "root" }],
      /0.role: expected one of admin, emergency, alertmanager/,
    ],
    ["a token in place of its hash", [{ ...alice, sha256: ALICE }], /0.sha256: expected 64/],
    ["more than is known", [{ ...alice, token: ALICE }], /token/],
    ["a name twice", [alice, { ...bob, name: "alice" }], /alice occurs twice/],
    ["a token twice", [alice, { ...bob, sha256: alice.sha256 }], /bob has the same token as alice/],
    ["a variable's token", [{ ...alice, sha256: sha256(ADMIN) }], /alice has the same token as admin/],
    [
      "too many",
      Array.from({ length: 257 }, (_, n) => ({ ...alice, name: `a${n}`, sha256: sha256(`${n}`) })),
      /at most 256/,
    ],
  ];
  it.each(WRONG)(
    "are refused at the start with %s, and the error shows no part of a token",
    (_, entries, says) => {
      put(entries);
      const start = () =>
        followTokenFile(file, new TokenBook({ ADMIN_TOKEN: ADMIN }), {
          log: collectLogs().log,
          readiness: createReadiness(),
        });
      const error = (() => {
        try {
          start();
          return undefined;
        } catch (thrown) {
          return thrown as Error;
        }
      })();
      expect(error).toMatchObject({ code: "BAD_REQUEST", message: expect.stringMatching(says) });
      expect(error?.message).not.toContain(ALICE);
    },
  );

  it("are refused from a file that others may write", () => {
    put([alice]);
    chmodSync(file, 0o666);
    const start = () =>
      followTokenFile(file, new TokenBook({}), { log: collectLogs().log, readiness: createReadiness() });
    expect(start).toThrow("others may write");
  });

  it("can be made with the lines of docs/control-api.md", async () => {
    const page = readFileSync(new URL("../../../docs/control-api.md", import.meta.url), "utf8");
    const lines = /```sh\n(token=[^`]*)```/.exec(page)?.[1] ?? "";
    const out = execFileSync("bash", ["-ec", `${lines}\nprintf '%s\\n' "$token"`], { encoding: "utf8" });
    const [entry = "", token = ""] = out
      .trim()
      .split("\n")
      .filter((line) => /^[{a-f0-9]/.test(line))
      .slice(-2);
    put(`[${entry}]`);
    await using it = await following();
    expect(await it.status(token)).toBe(200);
  });
});
