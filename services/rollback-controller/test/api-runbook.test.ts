import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { requireTool, startPrometheus } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prometheus } from "../src/edge/prometheus.ts";
import { ADMIN, EMERGENCY, startApi, type TestApi } from "./api-kit.ts";

/** The runbook's lines as they stand there. Only hosts are replaced; tokens come from the environment, as there. */
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

const ROOT = new URL("../../..", import.meta.url).pathname;
const found = requireTool("prometheus");

describe("the runbook, in a real shell with a real curl", () => {
  let api: TestApi;

  async function run(line: string): Promise<string> {
    const command = line.replaceAll(/https:\/\/(api|grafana)\.company\.com/g, api.url);
    const env = {
      ...{ PATH: process.env.PATH, SCBE_CONTROL_URL: api.url },
      ...{ ADMIN_TOKEN: ADMIN, EMERGENCY_TOKEN: EMERGENCY },
    };
    return (await promisify(execFile)("bash", ["-c", command], { cwd: ROOT, env })).stdout.trim();
  }

  beforeEach(async () => {
    api = await startApi();
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("sets the first phase's share", async () => {
    const answer = JSON.parse(await run(RUNBOOK.phase1));
    expect(answer.scbe_envelope_verification.providers.openai).toEqual({
      enabled: true,
      traffic_percentage: 5,
    });
  });

  it.each(["phase2", "phase3", "phase4"] as const)(
    "is told in %s, which brings no token, what is missing",
    async (phase) => {
      expect(JSON.parse(await run(RUNBOOK[phase]))).toEqual({
        code: "UNAUTHORIZED",
        title:
          'there is no token: send -H "Authorization: Bearer $TOKEN" with the value of ADMIN_TOKEN or EMERGENCY_TOKEN',
      });
      expect(api.plane.state?.generation).toBe(1);
      const withToken = RUNBOOK[phase].replace(" -d", ' -H "Authorization: Bearer $ADMIN_TOKEN" -d');
      const share = { phase2: 25, phase3: 50, phase4: 100 }[phase];
      const { openai } = JSON.parse(await run(withToken)).scbe_envelope_verification.providers;
      expect(openai.traffic_percentage).toBe(share);
    },
  );

  it("posts its whole document of flags, and has it in force", async () => {
    const line = `curl -s -X POST https://api.company.com/feature-flags -H "Authorization: Bearer $ADMIN_TOKEN" -d '${JSON.stringify(FLAGS)}'`;
    expect(JSON.parse(await run(line))).toMatchObject(FLAGS);
  });

  it("rolls back at once, and verifies it", async () => {
    expect(await run(RUNBOOK.verify)).toBe("true");
    const answer = JSON.parse(await run(RUNBOOK.kill));
    expect(answer.scbe_kill_switch).toMatchObject({
      enabled: true,
      reason: "Emergency rollback - GCM failure spike",
    });
    expect(await run(RUNBOOK.verify)).toBe("false");
  });

  it.skipIf(!found.ok)("rolls back by hand, step by step, and back again", async () => {
    await using server = await startPrometheus({ config: "scrape_configs: []" });
    await using watched = await startApi({ prometheus: prometheus(server.url) });
    await api[Symbol.asyncDispose]();
    api = watched;
    expect(await run(RUNBOOK.activate)).toMatch(/^the kill switch is engaged: Manual rollback/);
    expect(["disabled", "fallback"]).toContain(JSON.parse(await run(RUNBOOK.mode)));
    expect(JSON.parse(await run(RUNBOOK.errorRate))).toMatchObject({ window: "5m", error_rate: null });
    expect(JSON.parse(await run(RUNBOOK.dashboard))).toMatchObject({ unavailable: {} });
    expect(await run(RUNBOOK.deactivate)).toMatch(/^the kill switch is released/);
    expect(JSON.parse(await run(RUNBOOK.mode))).toBe("enforced");
  });

  it("verifies a rotation by the key in use", async () => {
    expect(await run(RUNBOOK.keyId)).toBe('"k2"');
  });
});
