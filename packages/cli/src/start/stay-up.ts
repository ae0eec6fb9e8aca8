import { dirname } from "node:path";
import { print, say } from "@scbe/local-stack";
import type { ControlAccess, MonitoringUrls, Stack } from "@scbe/local-stack/stack";

export interface StayUpOptions {
  readonly stack: Stack;
  /** The ops port of the launcher's own orchestrator. */
  readonly orchestratorUrl: string;
  /** The page of the first request's trace. */
  readonly traceUrl: string | undefined;
  /** Writes nothing to standard output. */
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** Prints all addresses, and resolves when `signal` aborts. */
export async function stayUp({
  stack,
  orchestratorUrl,
  traceUrl,
  quiet,
  signal,
}: StayUpOptions): Promise<void> {
  const parts = [...stack.parts, { name: "orchestrator", opsUrl: orchestratorUrl }];
  const width = Math.max(...parts.map(({ name }) => name.length));
  const lines = parts.map(({ name, opsUrl }) => `  ${name.padEnd(width)}  ${opsUrl}\n`);
  const where = [
    `/healthz, /readyz and /metrics are at\n${lines.join("")}`,
    `NATS is at ${stack.natsUrl}\n`,
    ...controlLines(stack.control),
    auditLine(stack),
    ...monitors(stack.monitoring),
    ...(traceUrl === undefined ? [] : await traceLines(traceUrl)),
  ];
  if (!quiet) await print(where.join(""));
  say("up; Ctrl-C stops everything");
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  say("stopping");
}

/** Names the files of the tokens, not the tokens: terminals keep what is printed. */
function controlLines({ url, tokenFiles }: ControlAccess): string[] {
  const { ADMIN_TOKEN_FILE: admin = "", EMERGENCY_TOKEN_FILE: emergency = "" } = tokenFiles;
  return [
    `the control API is at ${url}; its tokens are files in ${dirname(admin)}\n`,
    `  switch off:  SCBE_CONTROL_URL=${url} EMERGENCY_TOKEN_FILE="${emergency}" scripts/scbe-kill-switch.sh activate "a try"\n`,
    `  and on:      SCBE_CONTROL_URL=${url} ADMIN_TOKEN_FILE="${admin}" scripts/scbe-kill-switch.sh deactivate\n`,
  ];
}

/** With the path of this Node: the user's own can be too old. */
function auditLine({ natsUrl, operatorEnvFile }: Stack): string {
  const command = `"${process.execPath}" --env-file="${operatorEnvFile}" services/rollback-controller/src/verify-audit.ts`;
  return `  check audit: NATS_URL=${natsUrl} ${command}\n`;
}

function monitors({ prometheus, alertmanager, jaeger }: MonitoringUrls): string[] {
  const all = { Prometheus: prometheus, Alertmanager: alertmanager, Jaeger: jaeger };
  return Object.entries(all).flatMap(([name, url]) => (url === null ? [] : [`${name} is at ${url}\n`]));
}

/** A Jaeger that was built without its pages serves a placeholder. */
async function traceLines(url: string): Promise<string[]> {
  const line = `the first request's trace is at ${url}\n`;
  if (await hasPages(url)) return [line];
  const json = `${url.replace("/trace/", "/api/traces/")}?prettyPrint=true`;
  return [line, `  (this Jaeger was built without web pages; as JSON: ${json})\n`];
}

async function hasPages(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    return !(await response.text()).includes("placeholder");
  } catch {
    return false;
  }
}
