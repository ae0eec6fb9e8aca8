import { ADMIT_BATCH_MAX } from "./replay.ts";

const ITEM = /^(\d{1,3})=(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})$/;
/** `255=`, a traceparent and a comma, for each item. */
const BYTES_MAX = ADMIT_BATCH_MAX * 60;

/**
 * The header `scbe-traceparents` of an admit batch, in which many requests travel: for each item whose trace is recorded its
 * place in the batch and its own W3C `traceparent`. Undefined where there is none.
 * @param traceparents one for each item, in the batch's order
 */
export function encodeAdmitTraces(traceparents: readonly (string | undefined)[]): string | undefined {
  const items = traceparents.flatMap((it, index) => (it === undefined ? [] : [`${index}=${it}`]));
  return items.length === 0 ? undefined : items.join(",");
}

/** The items' traceparents by their place. Whatever is malformed or beyond the batch is left out. */
export function decodeAdmitTraces(header: string | undefined, count: number): ReadonlyMap<number, string> {
  const traces = new Map<number, string>();
  if (header === undefined || header.length > BYTES_MAX) return traces;
  for (const item of header.split(",")) {
    const [, index = "", traceparent] = ITEM.exec(item) ?? [];
    if (traceparent !== undefined && Number(index) < count) traces.set(Number(index), traceparent);
  }
  return traces;
}
