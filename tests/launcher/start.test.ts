import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { closedPort, createTempDir, eventually, requireTool, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dashboardQueries } from "#monitoring/dashboard/dashboard-queries.ts";
import { RUNBOOK_ALERTS, RUNBOOK_QUERIES } from "../alerts/runbook-queries.ts";
import { allAreNumbers, askPrometheus, someAreNumbers, withoutNumbers } from "./ask-prometheus.ts";
import { type FoundProcess, type Launcher, startLauncher } from "./launcher.ts";

const START_MS = 60_000;
const STOP_MS = 20_000;
/** A scan of all processes of the machine is slow. */
const SCAN = { timeoutMs: START_MS, everyMs: 100 };
const AUTO = ["--ports", "auto"];

let folder: TempDir;
beforeAll(() => {
  folder = createTempDir();
});
afterAll(() => folder[Symbol.dispose]());

/** The optional programs of the local stack. */
const [prometheus, alertmanager, jaeger] = (["prometheus", "alertmanager", "jaeger"] as const).map(
  (name) => requireTool(name).ok,
);
const monitors = [prometheus, alertmanager, jaeger].filter((isThere) => isThere).length;

/** npm, the bootstrap, the launcher, two servers, the stand-in, five services, six gateways, and the monitors. */
const ALL_PROCESSES = 17 + monitors;

interface Report {
  readonly ok: boolean;
  readonly requests: readonly Readonly<Record<string, unknown>>[];
  readonly attacks: readonly { name: string; refused: boolean; answer_bytes: number }[];
  readonly kill: Readonly<Record<"verifiers" | "obeyed_ms" | "released_after", number>> | null;
  readonly trust: Readonly<Record<string, unknown>> | null;
  readonly trace: { readonly id: string; readonly url: string } | null;
  readonly monitoring: Readonly<Record<"prometheus" | "alertmanager" | "jaeger", string | null>>;
}

describe("while it is up", () => {
  let launcher: Launcher;
  beforeAll(async () => {
    launcher = startLauncher(folder.path, AUTO);
    await launcher.npm.output(/Ctrl-C stops everything/, { timeoutMs: START_MS });
  }, START_MS);
  afterAll(() => launcher[Symbol.asyncDispose]());

  test("it prints the outcome of every request and attack, and the URLs of health and metrics", async () => {
    const { stdout, stderr } = launcher.npm;
    expect(stdout).toMatch(/^request +provider +bytes +seal +round trip +verdict$/m);
    expect(stdout.match(/ ok$/gm) ?? [], stderr).toHaveLength(25);
    expect(stdout.match(/ 512 +\d+ ms +refused$/gm)).toHaveLength(5);
    for (const part of ["keyring", "replay-guard", "envelope", "trust-scorer", "gateway-xai"]) {
      const url = new RegExp(`^  ${part} +(http://127\\.0\\.0\\.1:\\d+)$`, "m").exec(stdout)?.[1];
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect(await (await fetch(`${url}/metrics`)).text()).toContain("# HELP");
    }
  });

  test("it prints that a kill was obeyed, and the commands for one, without showing a token", () => {
    const { stdout, stderr } = launcher.npm;
    expect(stdout).toMatch(
      /^the kill switch: 8 verifiers obeyed within .* ms; then \d+ requests were refused, 0 answered; after the release they were answered again$/m,
    );
    expect(stdout).toContain(`its tokens are files in ${join(folder.path, "tokens")}`);
    for (const name of ["ADMIN_TOKEN", "EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"]) {
      const file = join(folder.path, "tokens", name);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(stdout + stderr).not.toContain(readFileSync(file, "utf8"));
    }
    expect(urlAfter("the control API is at")).toMatch(/^http/);
    const envFile = join(folder.path, "credentials", "operator.env");
    expect(stdout).toMatch(
      new RegExp(
        `^  check audit: NATS_URL=nats://\\S+ "/\\S+" --env-file="${envFile}" \\S+/verify-audit.ts$`,
        "m",
      ),
    );
  });

  test("plain programs get answers from each provider, through its gateway and directly", () => {
    expect(launcher.npm.stdout).toContain("12 of 12 requests of plain programs were answered");
  });

  test.skipIf(!prometheus)("every query of the runbook has a number for every series", async () => {
    const url = urlAfter("Prometheus is at");
    expect(await withoutNumbers(url, RUNBOOK_QUERIES, allAreNumbers)).toEqual([]);
    expect(await askPrometheus(url, "count(up == 1)")).toEqual([13]);
  });

  test.skipIf(!prometheus)(
    "the compared side of every runbook alert has numbers, and every alert can be queried verbatim",
    async () => {
      const url = urlAfter("Prometheus is at");
      expect(RUNBOOK_ALERTS).toHaveLength(5);
      const compared = RUNBOOK_ALERTS.map((alert) => alert.compared);
      expect(await withoutNumbers(url, compared, allAreNumbers)).toEqual([]);
      for (const { expr } of RUNBOOK_ALERTS) {
        await expect(askPrometheus(url, expr), expr).resolves.toBeInstanceOf(Array);
      }
    },
  );

  test.skipIf(!prometheus)("the demonstration's counters rise, and requests continue", async () => {
    const url = urlAfter("Prometheus is at");
    const envelopes = 'sum(increase(scbe_envelope_openings_total{job="gateway",result="opened"}[5m]))';
    expect((await askPrometheus(url, envelopes))[0]).toBeGreaterThanOrEqual(25);
    const asked = 'sum(scbe_envelope_openings_total{job="envelope"})';
    const [before = 0] = await askPrometheus(url, asked);
    const isMore = async () => ((await askPrometheus(url, asked))[0] ?? 0) > before + 2;
    await eventually(isMore, { timeoutMs: 20_000, everyMs: 200 });
  });

  test.skipIf(!prometheus || !alertmanager)(
    "the Watchdog alert reaches Alertmanager, and from there the local controller",
    async () => {
      const url = `${urlAfter("Alertmanager is at")}/api/v2/alerts`;
      const alerts = async () => JSON.stringify(await (await fetch(url)).json());
      const limits = { timeoutMs: 30_000, everyMs: 200 };
      await eventually(async () => (await alerts()).includes('"Watchdog"'), limits);
      const heard = 'sum(scbe_rollback_alerts_total{result="watchdog"})';
      const isHeard = async () => ((await askPrometheus(urlAfter("Prometheus is at"), heard))[0] ?? 0) > 0;
      await eventually(isHeard, limits);
    },
    START_MS + 5000,
  );

  test.skipIf(!jaeger)("the link to the first request's trace leads to the complete trace", async () => {
    const link = urlAfter("the first request's trace is at");
    expect((await fetch(link)).status).toBe(200);
    const trace = await (await fetch(link.replace("/trace/", "/api/traces/"))).text();
    for (const service of ["orchestrator", "gateway-openai", "replay-guard"]) {
      expect(trace).toContain(`"serviceName":"${service}"`);
    }
    expect(trace).toContain('"operationName":"POST"');
  });

  test("every part is a process of its own with its own credentials", () => {
    const parts = ["keyring", "replay-guard", "envelope", "rollback-controller", "trust-scorer"].map(
      (name) => `services/${name}/src/main.ts`,
    );
    for (const part of [...parts, "stand-in/main.ts", "nats-server", "redis-server"]) {
      expect(launcher.find(part), part).toHaveLength(1);
    }
    expect(launcher.find("gateway/main.ts")).toHaveLength(6);
  });

  test("a second start in the same checkout is refused, and harms nothing", async () => {
    await using second = startLauncher(folder.path, AUTO);
    expect(await second.npm.exited).toMatchObject({ code: 1 });
    const holder = theOne(launcher.find("packages/cli/src/start/main.ts"));
    expect(second.npm.stderr).toContain(`another npm start, process ${holder.pid}, runs on ${folder.path}`);
    expect(launcher.find("nats-server")).toHaveLength(1);
  });

  // The keyring calls KMS every 30 seconds, which takes until then.
  test.skipIf(!prometheus)(
    "every query of the dashboard has numbers",
    async () => {
      const url = urlAfter("Prometheus is at");
      const measured = dashboardQueries().map(({ expr }) => expr);
      let left = measured;
      const haveNumbers = async (): Promise<boolean> => {
        left = await withoutNumbers(url, measured, someAreNumbers);
        return left.length === 0;
      };
      await eventually(haveNumbers, { timeoutMs: START_MS, everyMs: 500 }).catch(() => undefined);
      expect(left).toEqual([]);
      expect(measured.length).toBeGreaterThan(50);
    },
    START_MS + 30_000,
  );

  test("a killed service is restarted, and the log says so", async () => {
    const keyring = theOne(launcher.find("services/keyring"));
    process.kill(keyring.pid, "SIGKILL");
    await launcher.npm.output(/keyring ended \(signal SIGKILL\); starting it again in 250 ms/);
    await launcher.npm.output(/keyring is back/, { timeoutMs: START_MS });
    expect(launcher.find("services/keyring")).not.toContainEqual(keyring);
  });

  test("killed servers are restarted on the same ports, and every part is ready again", async () => {
    for (const name of ["nats-server", "redis-server"]) {
      process.kill(theOne(launcher.find(name)).pid, "SIGKILL");
      await launcher.npm.output(new RegExp(`${name} is back`), { timeoutMs: START_MS });
    }
    const urls = [...launcher.npm.stdout.matchAll(/^ {2}\S+ +(http:\S+)$/gm)].map(([, url]) => url);
    expect(urls).toHaveLength(12);
    const areReady = async (): Promise<boolean> => {
      const answers = await Promise.all(urls.map((url) => fetch(`${url}/readyz`)));
      return answers.every(({ ok }) => ok);
    };
    await eventually(areReady, { timeoutMs: 20_000, everyMs: 100 });
  });

  test("TERM to npm stops everything in order, and leaves no process behind", async () => {
    launcher.npm.signal("SIGTERM");
    await launcher.npm.exited;
    await nothingLeft(launcher);
    expect(launcher.npm.stderr).toMatch(/stopping\n.*stopped\n/);
    expect(launcher.npm.stderr).not.toContain("was killed");
  });

  function urlAfter(words: string): string {
    return (
      new RegExp(`^${words} (http://127\\.0\\.0\\.1:[^\\s;]+)`, "m").exec(launcher.npm.stdout)?.[1] ?? ""
    );
  }
});

describe("no process is left behind", () => {
  test("after Ctrl-C during the start, which the launcher receives twice", async () => {
    await using launcher = startLauncher(folder.path, AUTO);
    await launcher.npm.output(/starting keyring/, { timeoutMs: START_MS });
    await eventually(() => launcher.find("gateway/main.ts").length > 0, SCAN);
    // The terminal signals every process of its foreground group, and npm forwards the signal.
    process.kill(theOne(launcher.find("run.mjs")).pid, "SIGINT");
    launcher.npm.signal("SIGINT");
    await launcher.npm.exited;
    await nothingLeft(launcher);
    expect(launcher.npm.stderr).toMatch(/stopped\n$/);
  });

  test("after the terminal is closed", async () => {
    await using launcher = startLauncher(folder.path, AUTO);
    await launcher.npm.output(/starting keyring/, { timeoutMs: START_MS });
    launcher.npm.child.stdout?.destroy();
    launcher.npm.child.stderr?.destroy();
    for (const { pid } of launcher.find("run.mjs")) process.kill(pid, "SIGHUP");
    launcher.npm.signal("SIGHUP");
    await nothingLeft(launcher);
  });

  test("after the reader of its output pipe is gone", async () => {
    await using launcher = startLauncher(folder.path, AUTO);
    await launcher.npm.output(/starting keyring/, { timeoutMs: START_MS });
    launcher.npm.child.stdout?.destroy();
    launcher.npm.child.stderr?.destroy();
    await nothingLeft(launcher, START_MS);
  });

  test("after a SIGKILL of the launcher", async () => {
    await using launcher = startLauncher(folder.path, AUTO);
    await eventually(() => launcher.processes().length === ALL_PROCESSES, SCAN);
    process.kill(theOne(launcher.find("packages/cli/src/start/main.ts")).pid, "SIGKILL");
    await nothingLeft(launcher);
  });
});

describe("npm start --silent -- --once --json", () => {
  test(
    "prints one document, and exits with 0 only if every step passed",
    async () => {
      await using launcher = startLauncher(folder.path, ["--once", "--json", ...AUTO]);
      expect(await launcher.npm.exited).toEqual({ code: 0, signal: null });
      const report = readReport(launcher);
      expect(report.ok).toBe(true);
      expect(report.requests).toHaveLength(25);
      expect(new Set(report.requests.map(({ provider }) => provider)).size).toBe(6);
      for (const request of report.requests) {
        expect(request).toEqual({
          id: expect.any(String),
          provider: expect.any(String),
          bytes: expect.any(Number),
          seal_ms: expect.any(Number),
          round_trip_ms: expect.any(Number),
          verdict: "ok",
        });
      }
      expect(report.attacks).toEqual(
        [
          "replayed envelope",
          "flipped bit",
          "swapped provider",
          "stale envelope",
          "response sent as a request",
        ].map((name) => ({ name, refused: true, answer_bytes: 512 })),
      );
      expect(report.kill).toEqual({ verifiers: 8, obeyed_ms: expect.any(Number), released_after: 0 });
      expect(report.trust).toMatchObject({ provider: expect.any(String), unanswered: 0 });
      const url = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(report.monitoring).toEqual({
        prometheus: prometheus ? url : null,
        alertmanager: alertmanager ? url : null,
        jaeger: jaeger ? url : null,
      });
      const id = report.trace?.id ?? "";
      expect(report.trace).toEqual(jaeger ? { id, url: `${report.monitoring.jaeger}/trace/${id}` } : null);
      expect(id).toMatch(jaeger ? /^[0-9a-f]{32}$/ : /^$/);
      await nothingLeft(launcher);
      expect(launcher.npm.stderr).toMatch(/the first answer is here \d+\.\d s after the start/);
    },
    START_MS,
  );

  test(
    "reports an absent provider, and exits with 1",
    async () => {
      using closed = await closedPort();
      const dead = { SCBE_PROVIDER_URL_GROQ: `http://127.0.0.1:${closed.port}` };
      await using launcher = startLauncher(folder.path, ["--once", "--json", ...AUTO], dead);
      expect(await launcher.npm.exited).toMatchObject({ code: 1 });
      const report = readReport(launcher);
      expect(report.ok).toBe(false);
      for (const { provider, verdict } of report.requests) {
        expect(verdict).toBe(provider === "groq" ? "HANDLER_FAILED" : "ok");
      }
      expect(report.attacks.every(({ refused }) => refused)).toBe(true);
    },
    START_MS,
  );

  test("reports failure in the document when a part does not start, with the reason on stderr", async () => {
    const wrong = { SCBE_REPLAY_WINDOW_SECONDS: "soon" };
    await using launcher = startLauncher(folder.path, ["--once", "--json", ...AUTO], wrong);
    expect(await launcher.npm.exited).toMatchObject({ code: 1 });
    expect(readReport(launcher)).toEqual({
      ok: false,
      requests: [],
      attacks: [],
      kill: null,
      trust: null,
      standing: [],
      skipped: {},
      trace: null,
      monitoring: { prometheus: null, alertmanager: null, jaeger: null },
    });
    expect(launcher.npm.stderr).toContain('SCBE_REPLAY_WINDOW_SECONDS: "soon" is not a decimal integer');
    await nothingLeft(launcher);
  });
});

describe("npm start refuses", () => {
  test("a taken port, and names the variable to change", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as { port: number };
    const ports = { SCBE_ENVELOPE_OPS_PORT: "0", SCBE_REPLAY_GUARD_OPS_PORT: "0" };
    const variables = { ...ports, SCBE_KEYRING_OPS_PORT: String(port) };
    await using launcher = startLauncher(folder.path, ["--once"], variables);
    expect(await launcher.npm.exited).toMatchObject({ code: 1 });
    expect(launcher.npm.stderr).toContain(`port ${port} of 127.0.0.1 is taken: set SCBE_KEYRING_OPS_PORT`);
    expect(launcher.npm.stdout).toBe("");
    holder.close();
  });

  test("an unknown flag, with exit code 2", async () => {
    await using launcher = startLauncher(folder.path, ["--onze"]);
    expect(await launcher.npm.exited).toMatchObject({ code: 2 });
    expect(launcher.npm.stderr).toContain("--onze");
  });
});

function readReport({ npm }: Launcher): Report {
  expect(npm.stdout).toMatch(/^\{.*\}\n$/);
  return JSON.parse(npm.stdout);
}

async function nothingLeft(launcher: Launcher, timeoutMs = STOP_MS): Promise<void> {
  await eventually(() => launcher.processes().length === 0, { ...SCAN, timeoutMs }).catch(() => undefined);
  expect(launcher.processes()).toEqual([]);
}

function theOne(found: readonly FoundProcess[]): FoundProcess {
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`${found.length} processes in place of one`);
  return first;
}
