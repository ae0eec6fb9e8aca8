import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, EMERGENCY, reportsOf, startApi, type TestApi } from "./api-kit.ts";
import { runKillSwitch } from "./run-kill-switch.ts";

/** The output of scbe-kill-switch.sh, and the order of its arguments. */
describe("scbe-kill-switch.sh", () => {
  let api: TestApi;
  const script = (...words: string[]) =>
    runKillSwitch(words, { SCBE_CONTROL_URL: api.url, ADMIN_TOKEN: ADMIN });
  const status = async (variables = {}): Promise<string> =>
    (await runKillSwitch(["status"], { SCBE_CONTROL_URL: api.url, ...variables })).out;

  beforeEach(async () => {
    api = await startApi();
    api.plane.reports = reportsOf({ converged: 1 });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("sends no plain HTTP to a proxy, which would read the token", async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(String(request.url));
      response.writeHead(502).end();
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const variables = { SCBE_CONTROL_URL: api.url, ADMIN_TOKEN: ADMIN, http_proxy, all_proxy: http_proxy };
    const { code } = await runKillSwitch(["activate", "x"], variables);
    proxy.close();
    expect([code, asked]).toEqual([0, []]);
  });

  it.each([
    ["activate", ["activate", "x", "--provider", ""]],
    ["deactivate", ["deactivate", "--provider", ""]],
  ])(
    "%s takes an empty provider, as of a variable that is not set, for a mistake and not for everything",
    async (_, words) => {
      expect(await script(...words)).toMatchObject({
        code: 2,
        err: expect.stringContaining("--provider needs a value"),
      });
      expect(api.plane.actors).toEqual([]);
    },
  );

  describe("deactivate", () => {
    it("says that nothing was engaged, and ends as after a release", async () => {
      expect(await script("deactivate")).toEqual({
        code: 0,
        err: "",
        out: "nothing was engaged: no kill of everything stood\nmode enforced, confirmed by 1 of 1 users\n",
      });
      expect(api.plane.actors).toEqual([]);
      await script("activate", "x");
      const released = await script("deactivate");
      expect([released.code, released.out]).toEqual([
        0,
        expect.stringMatching(/^the kill switch is released\n/),
      ]);
    });

    it("says so for one provider, whatever else is killed", async () => {
      await script("activate", "x", "--provider", "xai");
      const other = await script("deactivate", "--provider", "groq");
      expect([other.code, other.out]).toEqual([
        0,
        expect.stringMatching(/^nothing was engaged: no kill of groq stood\n/),
      ]);
      const all = await script("deactivate");
      expect([all.code, all.out, all.err]).toEqual([
        0,
        expect.stringMatching(/^nothing was engaged: no kill of everything stood\n/),
        expect.stringContaining("warning: the kill switch of xai is engaged"),
      ]);
      const its = await script("deactivate", "--provider", "xai");
      expect(its.out).toMatch(/^the kill switch of xai is released\n/);
    });
  });

  describe("status", () => {
    const SINCE = /\d{4}-\d\d-\d\dT[\d:.]+Z/.source;

    it("shows cause, reason and time of the kill of each provider", async () => {
      await script("activate", "odd answers", "--provider", "groq");
      await script("activate", "key leaked", "--provider", "xai", "--integrity");
      const out = await status();
      expect(out).toMatch(
        new RegExp(`^groq {9}disabled: killed \\(availability\\), "odd answers", since ${SINCE}$`, "m"),
      );
      expect(out).toMatch(
        new RegExp(`^xai {10}disabled: killed \\(integrity\\), "key leaked", since ${SINCE}$`, "m"),
      );
      expect(out).toMatch(/^openai {7}enforced, 100 %$/m);
      expect(out).not.toContain("kill switch  engaged");
    });

    it("shows cause and time of a kill of everything", async () => {
      await script("activate", "key leaked", "--integrity");
      expect(await status()).toMatch(
        new RegExp(`^kill switch  engaged: key leaked\n {13}\\(integrity\\), since ${SINCE}$`, "m"),
      );
    });

    it("shows a reason unchanged, even one that looks like the answer's JSON", async () => {
      const reason = `say "xai":{"enabled":true,"reason":"no","mode":"disabled","cause":"integrity" \\ `;
      await script("activate", reason, "--provider", "groq");
      const out = await status();
      expect(out).toContain(`killed (availability), "${reason}", since `);
      expect(out).toMatch(/^xai {10}enforced, 100 %$/m);
    });

    it("does not name the actor of a kill", async () => {
      await script("activate", "x");
      for (const token of [{}, { EMERGENCY_TOKEN: EMERGENCY }])
        expect(await status(token)).not.toContain("admin");
    });
  });

  it.each([
    [["--wait", "3", "activate", "x"]],
    [["--provider", "groq", "activate", "--wait", "3", "x"]],
    [["--integrity", "activate", "x", "--wait", "3"]],
  ])("accepts options before the command: %j", async (words) => {
    const { code, out } = await script(...words);
    expect([code, out]).toEqual([0, expect.stringMatching(/^the kill switch (of groq )?is engaged: x\n/)]);
  });

  it.each([
    [["--wait", "3"], "usage:"],
    [["--wait", "3", "explode"], "explode is none of"],
    [["--wait", "3", "activate", "one", "two"], "two reasons"],
  ])("says what is wrong with %j", async (words, text) => {
    const { code, err } = await script(...words);
    expect([code, err]).toEqual([2, expect.stringContaining(text)]);
    expect(api.plane.actors).toEqual([]);
  });

  it("says what the offline command needs, and that it has no option for a provider", async () => {
    const { out } = await runKillSwitch(["--help"]);
    for (const words of ["SCBE_ENVIRONMENT", "operator.env", "takes no --provider"])
      expect(out).toContain(words);
    const refused = await runKillSwitch(["--offline", "--provider", "groq", "activate", "x"]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("leave out --provider")]);
  });
});
