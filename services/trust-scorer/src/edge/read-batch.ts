import type { StoredMessage } from "@scbe/service-kit";
import type { StreamSource } from "../ports.ts";

/** Messages that are asked for at once. */
export const BATCH_MAX = 256;

/**
 * The next messages from number `from` on, in the stream's order; empty: there are none. They are asked for side by side: one after the other
 * would be a round trip each, and a consumer would be a right to have JetStream deliver into any subject. What is not there up to `last`
 * never comes: the stream has dropped it.
 * @param last of the stream, as its bounds said
 */
export async function readBatch(stream: StreamSource, from: number, last: number): Promise<StoredMessage[]> {
  const first = from > last ? undefined : await stream.next(from);
  if (first === undefined) return [];
  const end = Math.min(last, first.seq + BATCH_MAX - 1);
  const numbers = Array.from({ length: Math.max(0, end - first.seq) }, (_, n) => first.seq + 1 + n);
  const rest = await Promise.all(numbers.map((seq) => stream.get(seq)));
  return [first, ...rest.filter((message) => message !== undefined)];
}
