import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createTempDir, eventually, requireTool, type TempDir } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Launcher, startLauncher } from "../launcher/launcher.ts";

/** The runbook's lines, verbatim. Only hosts are replaced; tokens come from the environment, as in the runbook. */

const RUNBOOK = {
  phase1: `curl -X POST https://api.company.com/feature-flags \\
  -H "Authorization: Bearer $ADMIN_TOKEN" \\
  -d '{
    "scbe_envelope_verification": {
      "enabled": true,
      "providers": {
        "openai": { "enabled": true, "traffic_percentage": 5 }
      }
    }
  }'`,
  phase2: `curl -X POST https://api.company.com/feature-flags \\
  -d '{"scbe_envelope_verification": {"providers": {"openai": {"traffic_percentage": 25}}}}'`,
  phase3: `curl -X POST https://api.company.com/feature-flags \\
  -d '{"scbe_envelope_verification": {"providers": {"openai": {"traffic_percentage": 50}}}}'`,
  phase4: `curl -X POST https://api.company.com/feature-flags \\
  -d '{"scbe_envelope_verification": {"providers": {"openai": {"traffic_percentage": 100}}}}'`,
  kill: `curl -X POST https://api.company.com/feature-flags \\
  -H "Authorization: Bearer $EMERGENCY_TOKEN" \\
  -d '{
    "scbe_kill_switch": {
      "enabled": true,
      "reason": "Emergency rollback - GCM failure spike"
    }
  }'`,
  verify: "curl -s https://api.company.com/health/scbe | jq '.envelope_verification_enabled'",
  mode: "curl -s https://api.company.com/health/orchestrator | jq '.envelope_mode'",
  keyId: "curl -s https://api.company.com/health/scbe | jq '.current_key_id'",
  dashboard: "curl -s https://grafana.company.com/api/dashboards/scbe-security/metrics",
  errorRate: "curl -s https://grafana.company.com/api/metrics/error-rate",
  activate: './scripts/scbe-kill-switch.sh activate "Manual rollback - investigating issue"',
  deactivate: "./scripts/scbe-kill-switch.sh deactivate",
  trustScores: "curl -s https://api.company.com/metrics/scbe/trust-scores | jq '.'",
  trust: `curl -X POST https://api.company.com/admin/scbe/trust \\
  -H "Authorization: Bearer $ADMIN_TOKEN" \\
  -d '{
    "provider": "openai",
    "trust_score": 0.95,
    "reason": "Manual calibration after incident resolution"
  }'`,
} as const;

/** The runbook's whole document of flags. */
const FLAGS = {
  scbe_envelope_verification: {
    enabled: true,
    providers: Object.fromEntries(
      ["openai", "anthropic", "google", "groq", "perplexity", "xai"].map((name) => [
        name,
        { enabled: true, traffic_percentage: 100 },
      ]),
    ),
  },
  scbe_kill_switch: { enabled: false, reason: "" },
};

/** For machines without the `watch` command. */
const JQ = `command -v jq >/dev/null || jq() { node -e 'const all = JSON.parse(require("fs").readFileSync(0)); const name = process.argv[1].slice(1); console.log(JSON.stringify(name === "" ? all : all[name]))' "$1"; }`;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 90_000;

describe("the runbook's commands, in a real shell with a real curl, on what npm start brings up", () => {
  let folder: TempDir;
  let launcher: Launcher;
  let url: string;
  const token = (name: string): string => readFileSync(join(folder.path, "tokens", name), "utf8");

  beforeAll(async () => {
    folder = createTempDir();
    launcher = startLauncher(folder.path, ["--ports", "auto"]);
    await launcher.npm.output(/Ctrl-C stops everything/, { timeoutMs: START_MS });
    url = /^the control API is at (http:\S+);/m.exec(launcher.npm.stdout)?.[1] ?? "";
  }, START_MS);
  afterAll(async () => {
    await launcher?.[Symbol.asyncDispose]();
    folder?.[Symbol.dispose]();
  });
  afterEach(() => run(RUNBOOK.deactivate));

  async function run(line: string): Promise<string> {
    const command = line.replaceAll(/https:\/\/(api|grafana)\.company\.com/g, url);
    const env = {
      ...{ PATH: process.env.PATH, SCBE_CONTROL_URL: url },
      ...{ ADMIN_TOKEN: token("ADMIN_TOKEN"), EMERGENCY_TOKEN: token("EMERGENCY_TOKEN") },
    };
    const { stdout } = await promisify(execFile)("bash", ["-c", `${JQ}\n${command}`], { cwd: ROOT, env });
    return stdout.trim();
  }

  const shareOf = (answer: string): unknown =>
    JSON.parse(answer).scbe_envelope_verification.providers.openai.traffic_percentage;

  test("the first phase sets its share", async () => {
    expect(shareOf(await run(RUNBOOK.phase1))).toBe(5);
  });

  test.each([
    ["phase2", 25],
    ["phase3", 50],
    ["phase4", 100],
  ] as const)("%s is refused without a token, and sets %i % with one", async (phase, share) => {
    expect(JSON.parse(await run(RUNBOOK[phase]))).toEqual({
      code: "UNAUTHORIZED",
      title:
        'there is no token: send -H "Authorization: Bearer $TOKEN" with a token of the role admin or emergency (ADMIN_TOKEN, EMERGENCY_TOKEN, or a named one)',
    });
    const withToken = RUNBOOK[phase].replace(" -d", ' -H "Authorization: Bearer $ADMIN_TOKEN" -d');
    expect(shareOf(await run(withToken))).toBe(share);
  });

  test("its whole document of flags is in force after the post", async () => {
    const line = `curl -s -X POST https://api.company.com/feature-flags -H "Authorization: Bearer $ADMIN_TOKEN" -d '${JSON.stringify(FLAGS)}'`;
    expect(JSON.parse(await run(line))).toMatchObject(FLAGS);
  });

  test("the immediate rollback passes its verification, and example requests are refused", async () => {
    expect(await run(RUNBOOK.verify)).toBe("true");
    const answer = JSON.parse(await run(RUNBOOK.kill));
    expect(answer.scbe_kill_switch).toMatchObject({
      enabled: true,
      reason: "Emergency rollback - GCM failure spike",
    });
    expect(await run(RUNBOOK.verify)).toBe("false");
    await launcher.npm.output(/example requests to \w+ fail: SWITCHED_OFF/, { timeoutMs: 20_000 });
    expect(await run(RUNBOOK.deactivate)).toMatch(/^the kill switch is released/);
    await launcher.npm.output(/example requests to \w+ are answered again/, { timeoutMs: 20_000 });
  });

  test("the manual rollback, step by step, and back again", async () => {
    expect(await run(RUNBOOK.activate)).toMatch(/^the kill switch is engaged: Manual rollback/);
    expect(["disabled", "fallback"]).toContain(JSON.parse(await run(RUNBOOK.mode)));
    if (requireTool("prometheus").ok) {
      await eventually(
        async () => {
          const { window, error_rate: rate } = JSON.parse(await run(RUNBOOK.errorRate));
          expect(window).toBe("5m");
          expect(rate).toBeGreaterThanOrEqual(0);
          expect(rate).toBeLessThan(0.5);
          return true;
        },
        { timeoutMs: 20_000, everyMs: 500 },
      );
    }
    expect(await run(RUNBOOK.deactivate)).toMatch(/^the kill switch is released/);
    expect(JSON.parse(await run(RUNBOOK.mode))).toBe("enforced");
  });

  test("a deactivation without an engaged kill says so, and succeeds", async () => {
    expect(await run(RUNBOOK.deactivate)).toMatch(/^nothing was engaged/);
  });

  test.skipIf(!requireTool("prometheus").ok)("the dashboard's figures can be watched", async () => {
    const { window, metrics, unavailable } = JSON.parse(await run(RUNBOOK.dashboard));
    expect(window).toBe("5m");
    expect(unavailable).toEqual({});
    expect(Object.values<object>(metrics).some((figures) => "openai" in figures)).toBe(true);
  });

  test("the lines that npm start prints switch off, switch on, and check the audit", async () => {
    const printed = (words: string): string =>
      new RegExp(`^ *${words}: +(.*)$`, "m").exec(launcher.npm.stdout)?.[1] ?? "false";
    const env = { PATH: process.env.PATH };
    const runPrinted = (words: string) =>
      promisify(execFile)("sh", ["-c", printed(words)], { cwd: ROOT, env });
    expect((await runPrinted("switch off")).stdout).toMatch(/^the kill switch is engaged: a try/);
    expect(await run(RUNBOOK.verify)).toBe("false");
    expect((await runPrinted("and on")).stdout).toMatch(/^the kill switch is released/);
    expect(await run(RUNBOOK.verify)).toBe("true");
    expect((await runPrinted("check audit")).stdout).toMatch(
      /^ok: \d+ entries, 1 to \d+\n[\s\S]*^compared with the control document: entry \d+$/m,
    );
  });

  test("trust scores are readable, and an administrator's override applies", async () => {
    const seen = JSON.parse(await run(RUNBOOK.trustScores));
    expect(seen.heard).toBe(true);
    expect(seen.providers).toHaveLength(6);
    expect(JSON.parse(await run(RUNBOOK.trust))).toMatchObject({
      provider: "openai",
      trust_score: expect.closeTo(0.95, 2),
      calibration: { score: 0.95, reason: "Manual calibration after incident resolution" },
      applied: true,
    });
    const after = JSON.parse(await run(RUNBOOK.trustScores));
    const openai = after.providers.find(({ provider }: { provider: string }) => provider === "openai");
    expect(openai.calibration).toMatchObject({ score: 0.95 });
  });

  test("a rotation is verified by the key in use", async () => {
    expect(JSON.parse(await run(RUNBOOK.keyId))).toMatch(/./);
  });
});
