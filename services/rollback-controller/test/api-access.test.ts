import { text } from "node:stream/consumers";
import { ScbeError } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditEntry } from "../src/ports.ts";
import { ADMIN, ALERTS, EMERGENCY, startApi, type TestApi } from "./api-kit.ts";

const skew = { seconds: 300, duration: "10m", reason: "NTP is being repaired" };

describe("the control API", () => {
  let api: TestApi;
  let refused: number[];

  beforeEach(async () => {
    refused = [];
    api = await startApi({
      webhook: {
        receive: async (body) => ({ status: 200, body: { got: await text(body) } }),
        refused: (status) => void refused.push(status),
      },
      firings: { list: () => [], clear: async () => [] },
    });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  const GUARDED = [
    ["/feature-flags", undefined],
    ["/feature-flags", "{}"],
    ["/audit", undefined],
    ["/admin/scbe/skew-window", "{}"],
    ["/webhooks/alertmanager", "{}"],
    ["/alerts", undefined],
    ["/alerts/clear", "{}"],
  ] as const;
  it.each(GUARDED)("answers 401 without a token at %s, and says how to send one", async (path, body) => {
    const answer = await api.ask(path, body === undefined ? {} : { body });
    expect([answer.status, answer.body.code]).toEqual([401, "UNAUTHORIZED"]);
    expect(answer.body.title).toMatch(/^there is no token: send -H "Authorization: Bearer \$TOKEN" .*_TOKEN/);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="scbe"');
  });

  it("answers 401 before it reads the body", async () => {
    const answer = await api.ask("/feature-flags", { body: "x".repeat(60_000) });
    expect(answer.status).toBe(401);
  });

  const FORMS = [
    "Basic YWRtaW4=",
    ADMIN,
    `Bearer ${ADMIN} x`,
    "Bearer",
    `Bearer ${ADMIN.slice(0, -1)}`,
    `Bearer ${ADMIN}x`,
  ];
  it.each(FORMS)("accepts no other form and no part of a token: %j", async (authorization) => {
    const answer = await fetch(`${api.url}/audit`, { headers: { authorization } });
    expect(answer.status).toBe(401);
  });

  it("accepts the scheme in any case, as HTTP requires", async () => {
    const headers = { authorization: `bearer ${ADMIN}` };
    expect((await fetch(`${api.url}/audit`, { headers })).status).toBe(200);
  });

  const RIGHTS: readonly [path: string, body: unknown, allowed: readonly string[]][] = [
    ["/feature-flags", undefined, [ADMIN, EMERGENCY]],
    ["/audit", undefined, [ADMIN]],
    ["/admin/scbe/skew-window", skew, [ADMIN]],
    ["/webhooks/alertmanager", { version: "4" }, [ADMIN, ALERTS]],
    ["/alerts", undefined, [ADMIN, EMERGENCY]],
    ["/alerts/clear", { alertname: "SCBEPhaseSkew", reason: "a test" }, [ADMIN]],
  ];
  it.each(RIGHTS)("gives %s to the roles of the route and to no other", async (path, body, allowed) => {
    for (const token of [ADMIN, EMERGENCY, ALERTS]) {
      const answer = await api.ask(path, { token, body });
      expect([token, answer.status]).toEqual([token, allowed.includes(token) ? 200 : 403]);
    }
  });

  it("logs the address of a refused request, and never a token", async () => {
    await api.ask("/audit", { token: "a-guessed-token" });
    await api.ask("/audit", { token: EMERGENCY });
    const text = api.logs.text;
    expect(text).toContain('"reason":"unknown"');
    expect(text).toMatch(/"by":"emergency","reason":"role"/);
    expect(text).not.toMatch(/guessed|emergency-token/);
  });

  it("counts failed requests, and refuses no token for them", async () => {
    const statuses = [];
    for (let tries = 0; tries < 35; tries += 1)
      statuses.push((await api.ask("/audit", { token: "x" })).status);
    expect(statuses).toEqual([...Array(30).fill(401), ...Array(5).fill(429)]);
    const refused = await api.ask("/audit");
    expect(refused.body.code).toBe("BUSY");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await api.ask("/audit", { token: ADMIN })).status).toBe(200);
  });

  it("counts a token's requests, and accepts a kill above the limit", async () => {
    const statuses = [];
    for (let tries = 0; tries < 605; tries += 1)
      statuses.push((await api.ask("/feature-flags", { token: ADMIN })).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect((await api.ask("/feature-flags", { token: ADMIN, body: {} })).status).toBe(429);
    const body = { scbe_kill_switch: { enabled: true, reason: "now" } };
    expect((await api.ask("/feature-flags", { token: ADMIN, body })).status).toBe(200);
  });

  it.each([new Error("inner words"), new ScbeError("INTERNAL", "inner words")])(
    "answers a defect without its cause, and logs it: %o",
    async (error) => {
      api.plane.change = () => Promise.reject(error);
      const answer = await api.ask("/admin/scbe/skew-window", { token: ADMIN, body: skew });
      expect([answer.status, answer.body.code]).toEqual([500, "INTERNAL"]);
      expect(JSON.stringify(answer.body)).not.toContain("inner words");
      const logged = api.logs.lines.filter(({ level }) => level === "error");
      expect(JSON.stringify(logged)).toContain("inner words");
    },
  );

  it("passes Alertmanager's posts on unchanged, and returns the receiver's answer", async () => {
    const body = '{"version":"4","alerts":[]}';
    expect((await api.ask("/webhooks/alertmanager", { token: ALERTS, body })).body).toEqual({ got: body });
    await using full = await startApi({
      webhook: {
        receive: async () => ({ status: 503, body: { code: "NOT_READY", title: "full" } }),
        refused: (status) => void refused.push(status),
      },
    });
    const answer = await full.ask("/webhooks/alertmanager", { token: ALERTS, body });
    expect([answer.status, answer.body]).toEqual([503, { code: "NOT_READY", title: "full" }]);
    await eventually(() => refused.length > 0);
    expect(refused).toEqual([503]);
  });

  it("counts posts to the webhook that are refused for their token, and none to other routes", async () => {
    await api.ask("/feature-flags", { body: {} });
    await api.ask("/webhooks/alertmanager", { body: {} });
    await api.ask("/webhooks/alertmanager", { token: EMERGENCY, body: {} });
    await api.ask("/webhooks/alertmanager", { token: ALERTS, body: {} });
    await eventually(() => refused.length >= 2);
    expect(refused).toEqual([401, 403]);
  });

  it("has no route for an absent port", async () => {
    await using bare = await startApi();
    const statuses = [];
    for (const path of ["/webhooks/alertmanager", "/canary", "/canary/pause"])
      statuses.push((await bare.ask(path, { token: ADMIN, body: {} })).status);
    expect(statuses).toEqual([404, 404, 404]);
  });

  describe("sets a skew window", () => {
    const set = (more: object = {}) =>
      api.ask("/admin/scbe/skew-window", { token: ADMIN, body: { ...skew, ...more } });

    it("that ends by itself", async () => {
      const before = Date.now();
      const { body } = await set();
      const until = Date.parse(body.skew_window.until);
      expect(body.skew_window).toMatchObject({ seconds: 300, reason: "NTP is being repaired" });
      expect(until).toBeGreaterThanOrEqual(before + 600_000);
      expect(until).toBeLessThanOrEqual(Date.now() + 600_000);
      expect(api.plane.actors).toEqual([{ by: "admin", reason: "NTP is being repaired" }]);
      await using later = await startApi({ clock: { now: () => until + 1, monotonic: () => 0 } });
      later.plane.state = api.plane.state;
      expect((await later.ask("/health/scbe")).body.skew_window).toBeNull();
    });

    it("for seconds, minutes or hours, and ends the current one with 0", async () => {
      for (const [duration, ms] of [
        [90, 90_000],
        ["90", 90_000],
        ["90s", 90_000],
        ["2h", 7_200_000],
      ] as const) {
        const before = Date.now();
        const until = Date.parse((await set({ duration })).body.skew_window.until);
        expect(Math.abs(until - before - ms)).toBeLessThan(10_000);
      }
      expect((await set({ duration: 0 })).body.skew_window).toBeNull();
    });

    const WRONG: readonly [more: object, field: string][] = [
      [{ seconds: 601 }, "seconds"],
      [{ seconds: 0 }, "seconds"],
      [{ duration: "25h" }, "duration"],
      [{ duration: 86_401 }, "duration"],
      [{ duration: "ten minutes" }, "duration"],
      [{ duration: -1 }, "duration"],
      [{ reason: "" }, "reason"],
      [{ until: 5 }, "until"],
    ];
    it.each(WRONG)("and not with %j: 400 that names the field", async (more, field) => {
      const answer = await set(more);
      expect([answer.status, answer.body.fields[0].field]).toEqual([400, field]);
      expect(api.plane.state?.skew_window).toBeNull();
    });
  });

  describe("shows the audit", () => {
    const entries: AuditEntry[] = [5, 4, 3, 2, 1].map((seq) => ({
      ...{ seq, at: seq, action: "flags", by: "admin", reason: "x", previous: "p", hash: "h" },
    }));
    const seqs = (body: { entries: AuditEntry[] }) => body.entries.map(({ seq }) => seq);

    it("newest first, page by page", async () => {
      await using audited = await startApi({ entries });
      const first = await audited.ask("/audit?limit=3", { token: ADMIN });
      expect([seqs(first.body), first.body.next_before]).toEqual([[5, 4, 3], 3]);
      const last = await audited.ask("/audit?limit=3&before=3", { token: ADMIN });
      expect([seqs(last.body), last.body.next_before]).toEqual([[2, 1], null]);
    });

    it.each(["limit=0", "limit=201", "limit=x", "before=-1", "limit=1&limit=2", "from=1"])(
      "and nothing for ?%s",
      async (query) => {
        const answer = await api.ask(`/audit?${query}`, { token: ADMIN });
        expect([answer.status, answer.body.fields[0].field]).toEqual([400, query.split("=")[0]]);
      },
    );
  });
});
