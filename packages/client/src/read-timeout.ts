import { HEADERS } from "@scbe/contracts";
import type { BusMessage } from "@scbe/service-kit";

/**
 * How long the asker still waits, in ms from the message's arrival. The header stands outside the authenticated bytes: it
 * can shorten `max`, and one that is missing or malformed changes nothing.
 */
export function readTimeout(message: BusMessage, max: number): number {
  const text = message.header(HEADERS.timeoutMs);
  if (text === undefined || !/^\d{1,9}$/.test(text)) return max;
  return Math.min(Number(text), max);
}
