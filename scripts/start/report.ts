import type { Demonstration } from "./demonstration.ts";
import type { MonitoringUrls } from "./monitoring/monitoring.ts";
import type { KillReport } from "./show-kill.ts";
import type { TrustReport } from "./show-trust.ts";
import { renderTable } from "./table.ts";
import { paint } from "./terminal.ts";

/** True if and only if every request was answered as it must be, and every attack was refused, all of them alike. */
export function allWentWell({ requests, attacks, plain, kill, trust }: Demonstration): boolean {
  return (
    plain.answered === plain.sent &&
    kill !== null &&
    isObeyed(kill) &&
    trust !== null &&
    (trust === undefined || hasMoved(trust)) &&
    requests.length > 0 &&
    attacks.length > 0 &&
    requests.every(({ verdict }) => verdict === "ok") &&
    attacks.every(({ refused }) => refused) &&
    new Set(attacks.map(({ answer_bytes }) => answer_bytes)).size === 1
  );
}

function isObeyed({ released_after, refused, is_back }: KillReport): boolean {
  return released_after === 0 && refused > 0 && is_back;
}

function hasMoved({ failed, unanswered }: TrustReport): boolean {
  return failed > 0 && unanswered === 0;
}

/** The document of `--json`. */
export function jsonReport(demonstration: Demonstration, monitoring: MonitoringUrls): string {
  const document = {
    ok: allWentWell(demonstration),
    requests: demonstration.requests,
    attacks: demonstration.attacks.map(({ name, refused, answer_bytes }) => ({
      name,
      refused,
      answer_bytes,
    })),
    kill: demonstration.kill && {
      verifiers: demonstration.kill.verifiers,
      obeyed_ms: demonstration.kill.obeyed_ms,
      released_after: demonstration.kill.released_after,
    },
    trust: demonstration.trust ?? null,
    trace: firstTrace(demonstration, monitoring),
    monitoring,
  };
  return `${JSON.stringify(document)}\n`;
}

/** The first request's trace, and where its page is; null without a Jaeger that has it. */
export function firstTrace(
  { traceId }: Demonstration,
  { jaeger }: MonitoringUrls,
): { readonly id: string; readonly url: string } | null {
  if (traceId === undefined || jaeger === null) return null;
  return { id: traceId, url: `${jaeger}/trace/${traceId}` };
}

/** The same for people. */
export function textReport({ requests, attacks, plain, kill, trust }: Demonstration): string {
  const requestTable = renderTable(
    ["request", "provider", "bytes", "seal", "round trip", "verdict"],
    requests.map((one) => [
      one.id,
      one.provider,
      String(one.bytes),
      one.seal_ms === null ? "-" : inMs(one.seal_ms),
      inMs(one.round_trip_ms),
      verdict(one.verdict === "ok", one.verdict),
    ]),
    RIGHT,
  );
  const attackTable = renderTable(
    ["attack", "bytes", "after", "verdict"],
    attacks.map(({ name, answer_bytes, after_ms, refused, instead }) => [
      name,
      String(answer_bytes),
      inMs(after_ms),
      verdict(refused, refused ? "refused" : `NOT REFUSED: ${instead}`),
    ]),
    RIGHT,
  );
  const viaService = `${plain.answered} of ${plain.sent} requests of plain programs were answered, through the envelope service`;
  return `\n${requestTable}\n\n${attackTable}\n\n${viaService}\n${trustLine(trust)}${killLine(kill)}\n\n`;
}

function trustLine(trust: Demonstration["trust"]): string {
  if (trust === undefined) return "";
  if (trust === null) return `${verdict(false, "a provider that turns bad could not be shown")}\n`;
  const { provider, failed, excluded_ms, back_ms, unanswered } = trust;
  const text = `${provider} turned bad: after ${failed} failures, ${inMs(excluded_ms)}, it got no more requests; ${unanswered} had no answer; it serves all again ${inMs(back_ms)} after it was good`;
  return `${verdict(hasMoved(trust), text)}\n`;
}

function killLine(kill: KillReport | null): string {
  if (kill === null) return verdict(false, "the kill switch could not be shown");
  const { verifiers, obeyed_ms, released_after, refused, is_back } = kill;
  const obeyed = `the kill switch: ${verifiers} verifiers obeyed within ${inMs(obeyed_ms)}; then ${refused} requests were refused, ${released_after} answered`;
  return verdict(
    isObeyed(kill),
    `${obeyed}; after the release they were ${is_back ? "answered again" : "NOT ANSWERED"}`,
  );
}

/** Columns of figures. */
const RIGHT = ["bytes", "seal", "round trip", "after"];

function verdict(good: boolean, text: string): string {
  return paint(good ? "green" : "red", text);
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
