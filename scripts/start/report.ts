import type { Demonstration } from "./demonstration.ts";
import type { MonitoringUrls } from "./monitoring/monitoring.ts";
import { renderTable } from "./table.ts";
import { paint } from "./terminal.ts";

/** True if and only if every request was answered as it must be, and every attack was refused, all of them alike. */
export function allWentWell({ requests, attacks, plain }: Demonstration): boolean {
  return (
    plain.answered === plain.sent &&
    requests.length > 0 &&
    attacks.length > 0 &&
    requests.every(({ verdict }) => verdict === "ok") &&
    attacks.every(({ refused }) => refused) &&
    new Set(attacks.map(({ answer_bytes }) => answer_bytes)).size === 1
  );
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
export function textReport({ requests, attacks, plain }: Demonstration): string {
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
  return `\n${requestTable}\n\n${attackTable}\n\n${viaService}\n\n`;
}

/** Columns of figures. */
const RIGHT = ["bytes", "seal", "round trip", "after"];

function verdict(good: boolean, text: string): string {
  return paint(good ? "green" : "red", text);
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
