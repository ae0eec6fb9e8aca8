import type { StreamBounds, StreamSource } from "@scbe/bus";
import { ChainCheck, type ChainEnd, type ChainProblem, type NumberedMessage } from "./chain.ts";

/** The result of checking a whole stream. */
export interface Verification {
  readonly ok: boolean;
  /** Numbers of the first and the last entry in the stream; `last` 0: the stream is empty. */
  readonly first: number;
  readonly last: number;
  readonly entries: number;
  /** The last entry. If it is noted elsewhere, a later check detects that the end was cut off or rewritten. */
  readonly end: ChainEnd | undefined;
  readonly problems: readonly ChainProblem[];
  /** Problems that are not listed. */
  readonly more: number;
}

/** Problems that are listed; further ones are counted. */
const LISTED_MAX = 100;
/** The server drops the oldest entries of a full stream only: below this fill level it has dropped none. */
const FULL = 0.9;

/**
 * Reads the whole stream and checks every entry.
 * @param noted ends of the chain that were noted earlier; each must still be in the stream
 * @throws ScbeError what reading throws
 */
export async function verifyStream(
  stream: StreamSource,
  noted: readonly ChainEnd[] = [],
): Promise<Verification> {
  const bounds = await stream.bounds();
  const { last } = bounds;
  const first = Math.max(bounds.first, 1);
  const wanted = wantedHashes(noted);
  const check = new ChainCheck(first);
  const found = new Findings();
  found.add(...missingBefore(bounds));
  for await (const it of entriesOf(stream, { first, last })) {
    found.add(...check.take(it));
    const hashes = wanted.get(it.seq) ?? [];
    if (hashes.some((hash) => check.end?.hash !== hash)) found.add(rewritten(it.seq));
    wanted.delete(it.seq);
  }
  for (const seq of wanted.keys()) found.add(notThere(seq));
  const { listed: problems, more } = found;
  return { ok: problems.length === 0, first, last, entries: check.entries, end: check.end, problems, more };
}

/** By number. If one number was noted with several hashes, at most one of them can be right. */
function wantedHashes(noted: readonly ChainEnd[]): Map<number, readonly string[]> {
  const wanted = new Map<number, readonly string[]>();
  for (const { seq, hash } of noted) wanted.set(seq, [...(wanted.get(seq) ?? []), hash]);
  return wanted;
}

class Findings {
  readonly listed: ChainProblem[] = [];
  more = 0;

  add(...problems: readonly ChainProblem[]): void {
    for (const problem of problems) {
      if (this.listed.length < LISTED_MAX) this.listed.push(problem);
      else this.more += 1;
    }
  }
}

/** Every number, with its message. */
async function* entriesOf(
  stream: StreamSource,
  { first, last }: { readonly first: number; readonly last: number },
): AsyncGenerator<NumberedMessage> {
  let seq = first;
  while (seq <= last) {
    const batch = await stream.batch(seq, last);
    for (const message of batch) {
      for (; seq < message.seq; seq += 1) yield { seq, bytes: undefined };
      yield { seq, bytes: message.data };
      seq += 1;
    }
    if (batch.length > 0) continue;
    for (; seq <= last; seq += 1) yield { seq, bytes: undefined };
  }
}

/** A full stream drops its oldest entries by itself. If it is not full, they were removed by other means. */
function missingBefore({ first, bytes, bytesMax }: StreamBounds): ChainProblem[] {
  const isFull = bytesMax > 0 && bytes > bytesMax * FULL;
  if (first <= 1 || isFull) return [];
  const says = `entries 1 to ${first - 1} are gone, and the stream is not full enough to drop any`;
  return [{ seq: first - 1, problem: "missing", says }];
}

function rewritten(seq: number): ChainProblem {
  return { seq, problem: "replaced", says: "its hash differs from the noted one" };
}

function notThere(seq: number): ChainProblem {
  return { seq, problem: "missing", says: "it was noted, and is gone" };
}
