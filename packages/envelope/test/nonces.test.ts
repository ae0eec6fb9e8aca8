import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("./seal-many.ts", import.meta.url));
const RECORD_BYTES = 44;
const SESSION_BYTES = 32;
const SEALERS = 2;
const EACH = 125_000;
const STARTS = 2;
const TIMEOUT_MS = 60_000;

/** The life of one process: its sealed envelopes, as (session id, nonce). */
async function sealMany(): Promise<Buffer> {
  const args = [SCRIPT, String(SEALERS), String(EACH)];
  const options = { encoding: "buffer", maxBuffer: 64 * 2 ** 20, timeout: TIMEOUT_MS } as const;
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return stdout;
}

test("a million seals by two parallel processes, each restarted once, never repeat a nonce with a key", {
  timeout: 2 * TIMEOUT_MS,
}, async () => {
  /** The nonces that were used with each session's key. */
  const used = new Map<string, Set<string>>();
  let seals = 0;
  for (let start = 0; start < STARTS; start += 1) {
    for (const records of await Promise.all([sealMany(), sealMany()])) {
      for (let at = 0; at < records.length; at += RECORD_BYTES) {
        const session = records.toString("latin1", at, at + SESSION_BYTES);
        const nonces = used.get(session) ?? new Set<string>();
        used.set(session, nonces);
        nonces.add(records.toString("latin1", at + SESSION_BYTES, at + RECORD_BYTES));
        seals += 1;
      }
    }
  }
  const pairs = [...used.values()].reduce((sum, nonces) => sum + nonces.size, 0);
  expect(seals).toBe(1_000_000);
  expect(pairs).toBe(seals);
  // Every sealer of every process started its own sessions.
  expect(used.size).toBe(2 * STARTS * SEALERS * Math.ceil(EACH / 4096));
});
