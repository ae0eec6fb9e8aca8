import { PENDING_OVERRIDES_MAX, ScbeError } from "@scbe/contracts";
import { z } from "zod";
import { TrustOverride } from "./trust-overrides.ts";

/** Words about trust that no scorer has acknowledged yet, the oldest first. */
export type PendingOverrides = readonly TrustOverride[];

const Stored = z.strictObject({ v: z.literal(1), words: z.array(TrustOverride).max(PENDING_OVERRIDES_MAX) });

/** With further words behind those that wait. @throws ScbeError BUSY when there is no room for all of them */
export function withOverrides(waiting: PendingOverrides, further: PendingOverrides): PendingOverrides {
  if (waiting.length + further.length > PENDING_OVERRIDES_MAX) {
    const says = `${waiting.length} words about trust wait for a trust scorer already, and ${PENDING_OVERRIDES_MAX} are kept at most; nothing was kept of this one, say it again once a scorer runs`;
    throw new ScbeError("BUSY", says);
  }
  return [...waiting, ...further];
}

/** Without the word of that id; the same object where it is not there. */
export function withoutOverride(waiting: PendingOverrides, id: string): PendingOverrides {
  return waiting.some((word) => word.id === id) ? waiting.filter((word) => word.id !== id) : waiting;
}

export function encodeOverrides(words: PendingOverrides): Uint8Array {
  return Buffer.from(JSON.stringify({ v: 1, words }));
}

/** The words that bytes of the bucket hold, or `undefined` when they hold none. */
export function readOverrides(bytes: Uint8Array): PendingOverrides | undefined {
  try {
    return Stored.parse(JSON.parse(Buffer.from(bytes).toString("utf8"))).words;
  } catch {
    return undefined;
  }
}
