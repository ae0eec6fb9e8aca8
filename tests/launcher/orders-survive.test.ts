import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Launcher, startLauncher } from "./launcher.ts";

const START_MS = 120_000;
/** The name of the token's variable. */
const ADMIN = expect.stringMatching(/admin/i);
const AUTO = ["--ports", "auto"];

let folder: TempDir;
beforeAll(() => {
  folder = createTempDir();
});
afterAll(() => folder[Symbol.dispose]());

const added = () => join(folder.path, "credentials", "added-by-a-person.seed");

interface Report {
  readonly ok: boolean;
  readonly requests: readonly { readonly provider: string; readonly verdict: string }[];
  readonly attacks: readonly { readonly refused: boolean }[];
  readonly kill: { readonly verifiers: number } | null;
  readonly standing: readonly Readonly<Record<string, unknown>>[];
  readonly skipped: Readonly<Record<string, string>>;
}

async function startOnce(args: readonly string[]): Promise<{ report: Report; launcher: Launcher }> {
  const launcher = startLauncher(folder.path, ["--once", "--json", ...args, ...AUTO]);
  expect(await launcher.npm.exited, launcher.npm.stderr).toEqual({ code: 0, signal: null });
  return { report: JSON.parse(launcher.npm.stdout), launcher };
}

/** Sends an order to the control API. */
async function order(url: string, body: object): Promise<void> {
  const token = readFileSync(join(folder.path, "tokens", "ADMIN_TOKEN"), "utf8");
  const response = await fetch(`${url}/feature-flags`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

describe("an order of an administrator in an earlier run", () => {
  test(
    "is given in the first run: a kill of one provider, a flag of another",
    async () => {
      await using launcher = startLauncher(folder.path, AUTO);
      await launcher.npm.output(/Ctrl-C stops everything/, { timeoutMs: START_MS });
      const url = /^the control API is at (http:\S+?);/m.exec(launcher.npm.stdout)?.[1] ?? "";
      const kill = { enabled: true, provider: "groq", reason: "odd answers" };
      await order(url, { scbe_kill_switch: kill });
      const flag = { providers: { xai: { enabled: false } } };
      await order(url, { scbe_envelope_verification: flag, reason: "not yet" });
      writeFileSync(added(), "a seed", { mode: 0o600 });
      launcher.npm.signal("SIGTERM");
      await launcher.npm.exited;
    },
    START_MS + 30_000,
  );

  test(
    "is reported at the next start, applies during its demonstration, and still applies after it",
    async () => {
      const { report, launcher } = await startOnce([]);
      expect(report).toMatchObject({ ok: true, skipped: {} });
      expect(report.standing).toEqual([
        expect.objectContaining({ kind: "kill", provider: "groq", reason: "odd answers", by: ADMIN }),
        expect.objectContaining({ kind: "flag", provider: "xai", reason: "not yet", by: ADMIN }),
      ]);
      for (const { provider, verdict } of report.requests) {
        expect(verdict).toBe(["groq", "xai"].includes(provider) ? "SWITCHED_OFF" : "ok");
      }
      expect(report.attacks).toHaveLength(5);
      expect(report.kill?.verifiers).toBeGreaterThan(0);
      const { stderr } = launcher.npm;
      expect(stderr).toMatch(
        /the kill switch of groq is engaged .*by \S*admin\S*, since 20\S+Z: "odd answers"/i,
      );
      expect(stderr).toMatch(/scripts\/scbe-kill-switch\.sh deactivate --provider groq/);
      expect(stderr).toMatch(/the flag of xai leaves it 0 %/);
      expect(stderr).toContain("npm start -- --fresh begins without any of it");
      expect(stderr).not.toContain(readFileSync(join(folder.path, "tokens", "ADMIN_TOKEN"), "utf8"));
      expect(readFileSync(added(), "utf8")).toBe("a seed");
    },
    START_MS,
  );

  test(
    "is gone with --fresh, which keeps added credentials",
    async () => {
      const { report, launcher } = await startOnce(["--fresh"]);
      expect(launcher.npm.stderr).toContain(`--fresh: removed what was in ${join(folder.path, "nats")}`);
      expect(report).toMatchObject({ ok: true, standing: [], skipped: {} });
      expect(report.requests.every(({ verdict }) => verdict === "ok")).toBe(true);
      expect(readFileSync(added(), "utf8")).toBe("a seed");
    },
    START_MS,
  );
});
