import { ScbeError, WAITING_WORDS_MAX } from "@scbe/contracts";
import { z } from "zod";
import { TrustWord } from "./trust-words.ts";

/** Words about trust that no scorer has acknowledged yet, the oldest first. */
export type WaitingWords = readonly TrustWord[];

const Stored = z.strictObject({ v: z.literal(1), words: z.array(TrustWord).max(WAITING_WORDS_MAX) });

/** With further words behind those that wait. @throws ScbeError BUSY when there is no room for all of them */
export function withWords(waiting: WaitingWords, further: WaitingWords): WaitingWords {
  if (waiting.length + further.length > WAITING_WORDS_MAX) {
    const says = `${waiting.length} words about trust wait for a trust scorer already, and ${WAITING_WORDS_MAX} are kept at most; nothing was kept of this one, say it again once a scorer runs`;
    throw new ScbeError("BUSY", says);
  }
  return [...waiting, ...further];
}

/** Without the word of that id; the same object where it is not there. */
export function withoutWord(waiting: WaitingWords, id: string): WaitingWords {
  return waiting.some((word) => word.id === id) ? waiting.filter((word) => word.id !== id) : waiting;
}

export function encodeWords(words: WaitingWords): Uint8Array {
  return Buffer.from(JSON.stringify({ v: 1, words }));
}

/** The words that bytes of the bucket hold, or `undefined` when they hold none. */
export function readWords(bytes: Uint8Array): WaitingWords | undefined {
  try {
    return Stored.parse(JSON.parse(Buffer.from(bytes).toString("utf8"))).words;
  } catch {
    return undefined;
  }
}
