import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { createTempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, EMERGENCY, startApi, type TestApi } from "./api-kit.ts";

const SCRIPT = new URL("../../../scripts/scbe-kill-switch.sh", import.meta.url).pathname;

type Variables = Readonly<Record<string, string>>;

/** Runs the script, with no variable but those that are given and the path. */
async function run(words: readonly string[], variables: Variables) {
  const env = { PATH: variables.PATH ?? process.env.PATH, ...variables };
  const child = spawn("bash", [SCRIPT, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text.out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text.err += chunk;
  });
  const [code] = await once(child, "close");
  return { code, ...text };
}

describe("scbe-kill-switch.sh", () => {
  let api: TestApi;
  const script = (words: readonly string[], more: Variables = {}) =>
    run(words, { SCBE_CONTROL_URL: api.url, ...more });
  const reports = (converged: number, behind = 0, stale = 0) =>
    Object.entries({ converged, behind, stale } as const).flatMap(([state, count]) =>
      Array.from({ length: count }, () => ({
        ...{ name: "orchestrator", generation: 1, ageMs: 1 },
        state: state as "converged" | "behind" | "stale",
      })),
    );

  beforeEach(async () => {
    api = await startApi({ fallbackPermitted: true });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("activates with the emergency token, and deactivates with the admin's alone", async () => {
    api.plane.reports = reports(3);
    const on = await script(["activate", "Manual rollback - investigating issue"], {
      EMERGENCY_TOKEN: EMERGENCY,
    });
    expect(on).toEqual({
      code: 0,
      err: "",
      out: "the kill switch is engaged: Manual rollback - investigating issue\nmode fallback, confirmed by 3 of 3 verifiers, 0 silent\n",
    });
    expect(api.plane.state?.kill_switch.all).toMatchObject({
      reason: "Manual rollback - investigating issue",
      cause: "availability",
      by: "EMERGENCY_TOKEN",
    });
    const refused = await script(["deactivate"], { EMERGENCY_TOKEN: EMERGENCY });
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("set ADMIN_TOKEN")]);
    const off = await script(["deactivate"], { ADMIN_TOKEN: ADMIN });
    expect([off.code, off.out]).toEqual([
      0,
      "the kill switch is released\nmode enforced, confirmed by 3 of 3 verifiers, 0 silent\n",
    ]);
    expect(api.plane.state?.kill_switch.all).toBeNull();
  });

  it("takes tokens from files, and prefers the one that can do less", async () => {
    using dir = createTempDir();
    const [EMERGENCY_TOKEN_FILE, ADMIN_TOKEN_FILE] = [join(dir.path, "e"), join(dir.path, "a")];
    writeFileSync(EMERGENCY_TOKEN_FILE, `${EMERGENCY}\n`);
    writeFileSync(ADMIN_TOKEN_FILE, `${ADMIN}\n`);
    expect((await script(["activate", "x"], { EMERGENCY_TOKEN_FILE, ADMIN_TOKEN_FILE })).code).toBe(0);
    expect(api.plane.actors[0]?.by).toBe("EMERGENCY_TOKEN");
    expect((await script(["deactivate", "found it"], { ADMIN_TOKEN_FILE })).code).toBe(0);
    expect(api.plane.actors[1]).toEqual({ by: "ADMIN_TOKEN", reason: "found it" });
  });

  it("never has a token among the arguments of a process", async () => {
    using dir = createTempDir();
    const seen = join(dir.path, "seen");
    const curl = join(dir.path, "curl");
    writeFileSync(curl, `#!/bin/bash\nprintf '%s ' "$@" >> ${seen}\nPATH="$REAL" exec curl "$@"\n`);
    chmodSync(curl, 0o755);
    const paths = { PATH: `${dir.path}:${process.env.PATH}`, REAL: process.env.PATH ?? "" };
    await script(["activate", "x"], { ADMIN_TOKEN: ADMIN, ...paths });
    const text = readFileSync(seen, "utf8");
    expect(text).toContain("/feature-flags");
    expect(text).not.toContain(ADMIN);
    const traced = await script(["activate", "x"], { SHELLOPTS: "xtrace", ADMIN_TOKEN: ADMIN });
    expect([traced.code, traced.err]).toEqual([0, expect.not.stringContaining(ADMIN)]);
  });

  it("says every reason as it was given, whatever characters are in it", async () => {
    const reason = `"quoted" \\ $HOME \`id\` {"a":1} ünï → 100% 'x' ,"cause":"none`;
    const on = await script(["activate", reason, "--integrity"], { ADMIN_TOKEN: ADMIN });
    expect(on.code).toBe(0);
    expect(api.plane.state?.kill_switch.all).toMatchObject({ reason, cause: "integrity" });
    expect((await script(["status"])).out).toContain(`engaged: ${reason}\n`);
  });

  it("waits until all have confirmed, and says who has not", async () => {
    api.plane.reports = reports(1, 2);
    const late = await script(["activate", "x", "--wait", "1"], { ADMIN_TOKEN: ADMIN });
    expect([late.code, late.err]).toEqual([
      4,
      "scbe-kill-switch: after 1 s: mode fallback, confirmed by 1 of 3 verifiers, 0 silent\n",
    ]);
    const waiting = script(["activate", "x"], { ADMIN_TOKEN: ADMIN });
    api.plane.reports = reports(3);
    expect((await waiting).code).toBe(0);
    api.plane.reports = reports(2, 0, 1);
    const silent = await script(["activate", "x"], { ADMIN_TOKEN: ADMIN });
    expect([silent.code, silent.err]).toEqual([4, expect.stringContaining("2 of 3 verifiers, 1 silent")]);
  });

  it("kills and releases one provider, and warns that another kill stands", async () => {
    const one = await script(["activate", "x", "--provider", "groq"], { ADMIN_TOKEN: ADMIN });
    expect([one.code, one.out]).toEqual([0, expect.stringContaining("the kill switch of groq is engaged")]);
    expect(one.out).toContain("mode fallback");
    expect((await script(["status"])).out).toMatch(/^groq +fallback, 100 %$/m);
    const all = await script(["deactivate"], { ADMIN_TOKEN: ADMIN });
    expect(all.err).toContain(
      'warning: the kill switch of groq is engaged; it is released by itself, with "provider": "groq"',
    );
    expect((await script(["deactivate", "--provider", "groq"], { ADMIN_TOKEN: ADMIN })).code).toBe(0);
    expect((await script(["status"])).out).toMatch(/^groq +enforced, 100 %$/m);
  });

  it("shows without a token what is in force", async () => {
    api.plane.reports = reports(2, 1, 1);
    const { code, out } = await script(["status"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^verified {5}yes\nmode {9}enforced\n/);
    expect(out).toMatch(/\ngeneration {3}1\nverifiers {4}4, of them 2 hold it, 1 silent\n$/);
    expect(JSON.parse((await script(["status", "--json"])).out)).toMatchObject({ envelope_mode: "enforced" });
  });

  const WRONG: readonly [words: string[], text: string][] = [
    [[], "usage:"],
    [["activate"], "say why"],
    [["activate", "  "], "say why"],
    [["activate", "one", "two"], "two reasons"],
    [["activate", "x", "--softly"], "--softly is not known"],
    [["activate", "x", "--provider"], "--provider needs a value"],
    [["activate", "x", "--provider", "a b"], "--provider takes"],
    [["activate", "x", "--wait", "long"], "--wait takes"],
    [["activate", "a\nb"], "one line"],
    [["activate", "x"], "set EMERGENCY_TOKEN or ADMIN_TOKEN"],
    [["explode"], "explode is none of"],
    [["activate", "x", "--offline", "--provider", "groq"], "leave out --provider"],
  ];
  it.each(WRONG)("says what is wrong with %j, and does nothing", async (words, text) => {
    const { code, err } = await script(words);
    expect([code, err]).toEqual([2, expect.stringContaining(text)]);
    expect(api.plane.state?.generation).toBe(1);
  });

  it("tells the controller's own words when it refuses, and how to go on when there is none", async () => {
    const refused = await script(["activate", "x"], { ADMIN_TOKEN: "not-the-token-of-anybody" });
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringMatching(
        /^scbe-kill-switch: the controller answered 401: the token is none of this controller's: send -H "Auth/,
      ),
    ]);
    const SCBE_CONTROL_URL = await closedAddress();
    const away = await run(["activate", "x"], { SCBE_CONTROL_URL, ADMIN_TOKEN: ADMIN });
    expect([away.code, away.err]).toEqual([
      3,
      expect.stringMatching(/^scbe-kill-switch: no controller at .*--offline/s),
    ]);
  });

  it("tells how it is used", async () => {
    for (const words of [["--help"], ["activate", "--help"]]) {
      const { code, out } = await run(words, {});
      expect([code, out]).toEqual([0, expect.stringContaining("exit codes:")]);
    }
  });
});

/** Where nobody listens. */
async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}
