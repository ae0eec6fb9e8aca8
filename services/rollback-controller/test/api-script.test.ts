import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { defineConfig, readConfig } from "@scbe/runtime";
import { closedPort, createCertificates, createTempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tokenVariables } from "../src/config.ts";
import { ADMIN, EMERGENCY, hearing, reportsOf, startApi, type TestApi } from "./api-kit.ts";
import { runKillSwitch as run, type Variables } from "./run-kill-switch.ts";

const reports = (converged: number, behind = 0, stale = 0) => reportsOf({ converged, behind, stale });

describe("scbe-kill-switch.sh", () => {
  let api: TestApi;
  const script = (words: readonly string[], more: Variables = {}) =>
    run(words, { SCBE_CONTROL_URL: api.url, ...more });

  beforeEach(async () => {
    api = await startApi();
    api.plane.reports = reports(1);
    api.plane.chooseFallback("availability");
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("activates with the emergency token, and deactivates with the admin's only", async () => {
    api.plane.reports = reports(3);
    const on = await script(["activate", "Manual rollback - investigating issue"], {
      EMERGENCY_TOKEN: EMERGENCY,
    });
    expect(on).toEqual({
      code: 0,
      err: "warning: all traffic goes unsealed\n",
      out: "the kill switch is engaged: Manual rollback - investigating issue\nmode fallback, confirmed by 3 of 3 users\n",
    });
    expect(api.plane.state?.kill_switch.all).toMatchObject({
      reason: "Manual rollback - investigating issue",
      cause: "availability",
      by: "emergency",
    });
    const refused = await script(["deactivate"], { EMERGENCY_TOKEN: EMERGENCY });
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("set ADMIN_TOKEN")]);
    const off = await script(["deactivate"], { ADMIN_TOKEN: ADMIN });
    expect([off.code, off.out]).toEqual([
      0,
      "the kill switch is released\nmode enforced, confirmed by 3 of 3 users\n",
    ]);
    expect(api.plane.state?.kill_switch.all).toBeNull();
  });

  it("reads tokens from files, and prefers the one with fewer rights", async () => {
    using dir = createTempDir();
    const [EMERGENCY_TOKEN_FILE, ADMIN_TOKEN_FILE] = [join(dir.path, "e"), join(dir.path, "a")];
    writeFileSync(EMERGENCY_TOKEN_FILE, `${EMERGENCY}\n`);
    writeFileSync(ADMIN_TOKEN_FILE, `${ADMIN}\n`);
    expect((await script(["activate", "x"], { EMERGENCY_TOKEN_FILE, ADMIN_TOKEN_FILE })).code).toBe(0);
    expect(api.plane.actors[0]?.by).toBe("emergency");
    expect((await script(["deactivate", "found it"], { ADMIN_TOKEN_FILE })).code).toBe(0);
    expect(api.plane.actors[1]).toEqual({ by: "admin", reason: "found it" });
  });

  it("never passes a token as an argument of a process", async () => {
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

  it("sends every reason unchanged, whatever its characters", async () => {
    const reason = `"quoted" \\ $HOME \`id\` {"a":1} ünï → 100% 'x' ,"cause":"none`;
    const on = await script(["activate", reason, "--integrity"], { ADMIN_TOKEN: ADMIN });
    expect(on.code).toBe(0);
    expect(api.plane.state?.kill_switch.all).toMatchObject({ reason, cause: "integrity" });
    expect((await script(["status"])).out).toContain(`engaged: ${reason}\n`);
  });

  it("waits until the verifiers of all users have confirmed, and names the users without confirmation", async () => {
    api.plane.reports = reports(1, 2);
    const late = await script(["activate", "x", "--wait", "1"], { ADMIN_TOKEN: ADMIN });
    expect([late.code, late.err]).toEqual([
      4,
      expect.stringContaining(
        "scbe-kill-switch: done, but not confirmed after 1 s: mode fallback, confirmed by 1 of 3 users; behind: behind-1, behind-2\n",
      ),
    ]);
    const waiting = script(["activate", "x"], { ADMIN_TOKEN: ADMIN });
    api.plane.reports = reports(3);
    expect((await waiting).code).toBe(0);
    api.plane.reports = reports(2, 0, 11);
    const silent = await script(["activate", "x"], { ADMIN_TOKEN: ADMIN });
    expect([silent.code, silent.err]).toEqual([
      4,
      expect.stringMatching(/ confirmed by 2 of 13 users; silent: stale-1, .*stale-10 and 1 more; a silent /),
    ]);
  });

  it("names users without a verifier, and does not wait for them", async () => {
    api.plane.hearing = hearing("all", { expected: ["gateway-xai", "orchestrator"] });
    api.plane.reports = reports(1);
    const { code, out } = await script(["activate", "x"], { ADMIN_TOKEN: ADMIN });
    expect([code, out]).toEqual([
      0,
      expect.stringContaining("confirmed by 1 of 1 users; absent: gateway-xai, orchestrator\n"),
    ]);
  });

  it.each([
    ["none", [], "this controller does not lead"],
    ["some", reports(2), "leads only since a moment ago"],
  ] as const)(
    "confirms nothing through a controller that hears %s of the verifiers",
    async (hears, its, why) => {
      api.plane.hearing = hearing(hears);
      api.plane.reports = [...its];
      const { code, err } = await script(["activate", "x", "--wait", "1"], { ADMIN_TOKEN: ADMIN });
      expect([code, err]).toEqual([4, expect.stringContaining(why)]);
    },
  );

  it("confirms nothing for a user that has more verifiers than are counted", async () => {
    api.plane.hearing = hearing("all", { expected: ["orchestrator"], crowded: ["orchestrator"] });
    const { code, err } = await script(["activate", "x", "--wait", "1"], { ADMIN_TOKEN: ADMIN });
    expect([code, err]).toEqual([4, expect.stringContaining("1 of 2 users; behind: orchestrator")]);
  });

  it("waits for a controller that could not read the list of known verifiers, and names its users as not known", async () => {
    const expected = ["gateway-xai", "orchestrator"];
    api.plane.hearing = hearing("all", { expected, recalls: false });
    api.plane.reports = [];
    const { code, err } = await script(["activate", "x", "--wait", "1"], { ADMIN_TOKEN: ADMIN });
    expect([code, err]).toEqual([
      4,
      expect.stringMatching(
        /after 1 s: .* confirmed by 0 of 2 users; not known: gateway-xai, orchestrator; this controller could not read/,
      ),
    ]);
    expect((await script(["status"])).out).toContain("0 hold it; not known: gateway-xai, orchestrator\n");
    const waiting = script(["activate", "x"], { ADMIN_TOKEN: ADMIN });
    api.plane.hearing = hearing("all", { expected });
    api.plane.reports = reports(1);
    expect(await waiting).toMatchObject({
      code: 0,
      out: expect.stringContaining("confirmed by 1 of 1 users"),
    });
  });

  it("kills and releases one provider, and warns of another kill", async () => {
    const one = await script(["activate", "x", "--provider", "groq"], { ADMIN_TOKEN: ADMIN });
    expect([one.code, one.out]).toEqual([0, expect.stringContaining("the kill switch of groq is engaged")]);
    expect(one.out).toContain("mode fallback");
    expect((await script(["status"])).out).toMatch(
      /^groq {9}fallback: killed \(availability\), "x", since \d{4}-\S+Z$/m,
    );
    const all = await script(["deactivate"], { ADMIN_TOKEN: ADMIN });
    expect(all.err).toContain(
      'warning: the kill switch of groq is engaged; it is released by itself, with "provider": "groq"',
    );
    expect((await script(["deactivate", "--provider", "groq"], { ADMIN_TOKEN: ADMIN })).code).toBe(0);
    expect((await script(["status"])).out).toMatch(/^groq +enforced, 100 %$/m);
  });

  it("shows the state in force without a token", async () => {
    api.plane.reports = reports(2, 1, 1);
    const { code, out } = await script(["status"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^verified {5}yes\nmode {9}enforced\n/);
    expect(out).toMatch(
      /\ngeneration {3}1\nverifiers {4}4, of them 2 hold it, 1 silent\nusers {8}2 hold it; behind: behind-1; silent: stale-1\n$/,
    );
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

  it("prints the controller's refusal, and what to do when no controller answers", async () => {
    const refused = await script(["activate", "x"], { ADMIN_TOKEN: "not-a-token-of-this-controller" });
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringMatching(
        /^scbe-kill-switch: the controller answered 401: this controller does not know the token: send -H "Auth/,
      ),
    ]);
    using closed = await closedPort();
    const SCBE_CONTROL_URL = `http://127.0.0.1:${closed.port}`;
    const away = await run(["activate", "x"], { SCBE_CONTROL_URL, ADMIN_TOKEN: ADMIN });
    expect([away.code, away.err]).toEqual([
      3,
      expect.stringMatching(
        /^scbe-kill-switch: no controller answered at .*; nothing was done\n.*--offline/s,
      ),
    ]);
  });

  it("counts nothing as confirmed without any verifier", async () => {
    api.plane.reports = [];
    const unheard = await script(["activate", "x", "--wait", "1"], { ADMIN_TOKEN: ADMIN });
    expect([unheard.code, unheard.err]).toEqual([
      4,
      expect.stringContaining("no verifier has asked this controller"),
    ]);
  });

  /** The answers to the requests in order; the last one repeats; null: hangs up. */
  async function answering(...answers: ([status: number, body: unknown] | null)[]) {
    const asked: { path: string; authorization: string | undefined }[] = [];
    const server = createServer((request, response) => {
      asked.push({ path: request.url ?? "", authorization: request.headers.authorization });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer == null) response.destroy();
      else response.writeHead(answer[0]).end(JSON.stringify(answer[1]));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      asked,
      url: `http://127.0.0.1:${port}`,
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections();
        server.close();
      },
    };
  }
  type Answered = [status: number, body: unknown] | null;
  const problem = (code: string) => ({ code, title: `says ${code}` });
  const DONE: [number, unknown] = [200, { generation: 7, warnings: [] }];
  const health = (generation: number): [number, unknown] => [
    200,
    {
      ...{ envelope_verification_enabled: false, envelope_mode: "disabled", generation },
      users: { confirmed: true, hears: "all", converged: 2, behind: 0, silent: 0, absent: 0 },
    },
  ];
  const BUSY: [number, unknown] = [429, problem("BUSY")];
  const AWAY: [number, unknown] = [503, problem("NOT_READY")];

  const ENDINGS: [when: string, answers: Answered[], code: number][] = [
    ["is busy, for the kill and for its confirmation", [BUSY, DONE, BUSY, BUSY, health(7)], 0],
    ["is away for a while", [AWAY, DONE, AWAY, health(7)], 0],
    ["hangs up", [null, null, DONE, null, health(7)], 0],
    ["shows an older document at first, as one that does not lead", [DONE, health(6), health(7)], 0],
    ["is busy with all confirmations", [DONE, BUSY], 4],
    ["is gone once it has taken the kill", [DONE, null], 4],
    ["shows an older document for ever", [DONE, health(6)], 4],
    ["refuses", [[403, problem("FORBIDDEN")]], 1],
    ["stays away", [AWAY], 1],
    ["always hangs up", [null], 3],
  ];
  it.each(ENDINGS)(
    "reports by its exit code the outcome of a kill when the controller %s",
    async (_, answers, code) => {
      await using controller = await answering(...answers);
      const { code: exit, err } = await run(["activate", "x", "--wait", "2"], {
        SCBE_CONTROL_URL: controller.url,
        EMERGENCY_TOKEN: EMERGENCY,
      });
      expect([exit, err]).toEqual([code, expect.anything()]);
      expect(new Set(controller.asked.map(({ authorization }) => authorization))).toEqual(
        new Set([`Bearer ${EMERGENCY}`]),
      );
      if (code === 4) expect(err).toContain("done, but not confirmed");
      if (code === 3) expect(err).toContain("it may have been taken all the same");
    },
  );

  it("never orders a release twice that may have arrived: a kill may have come in between", async () => {
    for (const answer of [null, AWAY]) {
      await using controller = await answering(answer);
      const { code } = await run(["deactivate", "--wait", "1"], {
        SCBE_CONTROL_URL: controller.url,
        ADMIN_TOKEN: ADMIN,
      });
      expect([code, controller.asked.length]).toEqual([answer === null ? 3 : 1, 1]);
    }
  });

  it("uses https, and trusts the certificates of a configured file", async () => {
    using dir = createTempDir();
    const { ca: SCBE_CONTROL_CA_FILE, serverCert, serverKey } = createCertificates(dir.path);
    await using secure = await startApi({}, { tls: { certFile: serverCert, keyFile: serverKey } });
    secure.plane.reports = reports(1);
    const SCBE_CONTROL_URL = `https://127.0.0.1:${secure.port}`;
    const untrusted = await run(["activate", "x"], { SCBE_CONTROL_URL, ADMIN_TOKEN: ADMIN });
    expect([untrusted.code, untrusted.err]).toEqual([
      3,
      expect.stringMatching(/certificate.*nothing was done/s),
    ]);
    expect(secure.plane.actors).toEqual([]);
    const trusted = await run(["activate", "x"], {
      SCBE_CONTROL_URL,
      SCBE_CONTROL_CA_FILE,
      ADMIN_TOKEN: ADMIN,
    });
    expect([trusted.code, trusted.err]).toEqual([0, expect.anything()]);
  });

  describe("reads a secret as the services read it", () => {
    const BOM = "\uFEFF";
    const TOKEN = "a-token-of-the-table";
    const CONTENTS: readonly [case_: string, content: string | Buffer][] = [
      ["as it is", TOKEN],
      ["with a line end", `${TOKEN}\n`],
      ["with Windows' line end", `${TOKEN}\r\n`],
      ["with several line ends", `${TOKEN}\r\n\n\r\n`],
      ["with a byte order mark", `${BOM}${TOKEN}\r\n`],
      ["with blanks around it", ` \t${TOKEN}\t  \n`],
      ["with further blanks of Unicode around it", `\u00A0\u2003${BOM} ${TOKEN}\u2028\u3000\u202F\n`],
      ["with a form feed and a vertical tab", `\f\v${TOKEN}\v\f`],
      ["with characters that a shell could take for its own", "$(id)`id`\\'\"*?[a]{1,2}~!#&;|<>"],
      ["with a blank in it", `${TOKEN} ${TOKEN}`],
      ["of two lines", `${TOKEN}\n${TOKEN}\n`],
      ["with a zero-width space after it, which is no blank", `${TOKEN}\u200B`],
      ["with a NUL in it", `${TOKEN}\0${TOKEN}`],
      ["with a NUL after it", `${TOKEN}\0`],
      ["in UTF-16, as some shells write it", Buffer.from(`${BOM}${TOKEN}\r\n`, "utf16le")],
      ["of bytes that are no UTF-8", Buffer.concat([Buffer.from(TOKEN), Buffer.of(0xff, 0xfe)])],
      ["of nothing", ""],
      ["of blanks alone", `${BOM} \r\n`],
      ["that is too short", "0123456789abcde"],
      ["that is just long enough", "0123456789abcdef\n"],
      ["of 512 characters", `${"x".repeat(512)}\n`],
      ["of 513 characters", "x".repeat(513)],
      ["that is larger than any secret", `${TOKEN}${" ".repeat(70_000)}`],
    ];
    const spec = defineConfig({ ADMIN_TOKEN: tokenVariables.ADMIN_TOKEN });

    it.each(CONTENTS)("%s", async (_, content) => {
      using dir = createTempDir();
      const file = join(dir.path, "token");
      writeFileSync(file, content, { mode: 0o600 });
      const reading = readConfig(spec, { ADMIN_TOKEN_FILE: file });
      await using controller = await answering(DONE, health(7));
      const { code, err } = await run(["activate", "x", "--wait", "1"], {
        SCBE_CONTROL_URL: controller.url,
        ADMIN_TOKEN_FILE: file,
      });
      const sent = controller.asked[0]?.authorization;
      if (reading.ok) expect([code, sent]).toEqual([0, `Bearer ${reading.config.ADMIN_TOKEN}`]);
      else expect([code, sent, err]).toEqual([2, undefined, expect.stringContaining("ADMIN_TOKEN")]);
    });

    it("and refuses one that is set twice, or has blanks around it in the environment", async () => {
      using dir = createTempDir();
      const file = join(dir.path, "token");
      writeFileSync(file, TOKEN, { mode: 0o600 });
      for (const env of [{ ADMIN_TOKEN: TOKEN, ADMIN_TOKEN_FILE: file }, { ADMIN_TOKEN: ` ${TOKEN}` }]) {
        expect(readConfig(spec, env).ok).toBe(false);
        expect((await script(["activate", "x"], env)).code).toBe(2);
      }
      expect(api.plane.actors).toEqual([]);
    });
  });

  it("prints its usage", async () => {
    for (const words of [["--help"], ["activate", "--help"]]) {
      const { code, out } = await run(words, {});
      expect([code, out]).toEqual([0, expect.stringContaining("exit codes:")]);
    }
  });
});
