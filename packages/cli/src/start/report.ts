import { paint } from "@scbe/local-stack";
import type { MonitoringUrls } from "@scbe/local-stack/stack";
import { renderTable } from "../table.ts";
import { type Demonstration, isExpected } from "./demonstration.ts";
import type { KillReport } from "./kill-demonstration.ts";
import type { TrustReport } from "./trust-demonstration.ts";

/**
 * True if every request had its expected end, and every attack was refused with an answer of the same length. A step that was left out
 * is no failure.
 */
export function allWentWell(demonstration: Demonstration): boolean {
  const { carried, skipped, requests, attacks, plain, kill, trust } = demonstration;
  return (
    plain.answered === plain.sent &&
    (skipped.kill !== undefined || (kill !== null && isObeyed(kill))) &&
    trust !== null &&
    (trust === undefined || hasMoved(trust)) &&
    requests.length > 0 &&
    requests.every((request) => isExpected(carried, request)) &&
    (skipped.attacks !== undefined || areAllRefused(attacks))
  );
}

function areAllRefused(attacks: Demonstration["attacks"]): boolean {
  const lengths = new Set(attacks.map(({ answer_bytes }) => answer_bytes));
  return attacks.every(({ refused }) => refused) && lengths.size === 1;
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
    standing: demonstration.carried.entries.map(({ kind, provider, what, reason, by, since }) => ({
      ...{ kind, provider: provider ?? null, what, reason, by, since },
    })),
    skipped: demonstration.skipped,
    trace: firstTrace(demonstration, monitoring),
    monitoring,
  };
  return `${JSON.stringify(document)}\n`;
}

/** The trace of the first request, and its page; null without a local Jaeger. */
export function firstTrace(
  { traceId }: Demonstration,
  { jaeger }: MonitoringUrls,
): { readonly id: string; readonly url: string } | null {
  if (traceId === undefined || jaeger === null) return null;
  return { id: traceId, url: `${jaeger}/trace/${traceId}` };
}

/** The tables for a terminal. */
export function textReport(demonstration: Demonstration): string {
  const { carried, skipped, requests, attacks, plain, kill, trust } = demonstration;
  const requestTable = renderTable(
    ["request", "provider", "bytes", "seal", "round trip", "verdict"],
    requests.map((one) => [
      one.id,
      one.provider,
      String(one.bytes),
      one.seal_ms === null ? "-" : inMs(one.seal_ms),
      inMs(one.round_trip_ms),
      verdict(isExpected(carried, one), verdictOf(carried, one)),
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
  const notShown = Object.entries(skipped).map(([step, why]) => `${step}: not shown, since ${why}`);
  const lines = [
    ...(skipped.plain === undefined ? [viaService] : []),
    ...trustLines(trust),
    ...(skipped.kill === undefined ? [killLine(kill)] : []),
    ...notShown,
  ];
  const tables = [requestTable, ...(skipped.attacks === undefined ? [attackTable] : [])];
  return `\n${[...tables, lines.join("\n")].join("\n\n")}\n\n`;
}

function verdictOf(carried: Demonstration["carried"], request: Demonstration["requests"][number]): string {
  const isRefusal = request.verdict !== "ok" && isExpected(carried, request);
  return isRefusal ? `${request.verdict}, as what stands has it` : request.verdict;
}

function trustLines(trust: Demonstration["trust"]): string[] {
  if (trust === undefined) return [];
  if (trust === null) return [verdict(false, "a provider that turns bad could not be shown")];
  const { provider, failed, excluded_ms, back_ms, unanswered } = trust;
  const text = `${provider} turned bad: after ${failed} failures, ${inMs(excluded_ms)}, it got no more requests; ${unanswered} had no answer; it serves all again ${inMs(back_ms)} after it was good`;
  return [verdict(hasMoved(trust), text)];
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

/** Columns that are aligned to the right. */
const RIGHT = ["bytes", "seal", "round trip", "after"];

function verdict(good: boolean, text: string): string {
  return paint(good ? "green" : "red", text);
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
