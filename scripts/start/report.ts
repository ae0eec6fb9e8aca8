import type { Demonstration } from "./demonstration.ts";
import { renderTable } from "./table.ts";
import { paint } from "./terminal.ts";

/** True if and only if every request was answered as it must be, and every attack was refused, all of them alike. */
export function allWentWell({ requests, attacks }: Demonstration): boolean {
  return (
    requests.length > 0 &&
    attacks.length > 0 &&
    requests.every(({ verdict }) => verdict === "ok") &&
    attacks.every(({ refused }) => refused) &&
    new Set(attacks.map(({ answer_bytes }) => answer_bytes)).size === 1
  );
}

/** The document of `--json`. */
export function jsonReport(demonstration: Demonstration): string {
  const document = {
    ok: allWentWell(demonstration),
    requests: demonstration.requests,
    attacks: demonstration.attacks.map(({ name, refused, answer_bytes }) => ({
      name,
      refused,
      answer_bytes,
    })),
  };
  return `${JSON.stringify(document)}\n`;
}

/** The same for people. */
export function textReport({ requests, attacks }: Demonstration): string {
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
  return `\n${requestTable}\n\n${attackTable}\n\n`;
}

/** Columns of figures. */
const RIGHT = ["bytes", "seal", "round trip", "after"];

function verdict(good: boolean, text: string): string {
  return paint(good ? "green" : "red", text);
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
