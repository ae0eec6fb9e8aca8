import { ScbeError } from "./errors.ts";

/** The replay guard's verdict on one item; any but `fresh` is a refusal. */
export const ADMIT_VERDICTS = ["fresh", "replay", "reuse", "refused"] as const;
export type AdmitVerdict = (typeof ADMIT_VERDICTS)[number];

/**
 * One item for the replay guard. The first four bytes of `sessionId` are the minute of its bucket. The opener draws `attempt` at random for each
 * opening, and repeats it only in that opening's own resends.
 */
export interface AdmitItem {
  /** 16 bytes */ readonly epoch: Uint8Array;
  /** 32 bytes */ readonly sessionId: Uint8Array;
  /** u32 from 1 */ readonly counter: number;
  /** 24 bytes */ readonly replayNonce: Uint8Array;
  /** 16 bytes */ readonly tag: Uint8Array;
  /** 16 bytes */ readonly attempt: Uint8Array;
}

/** Bytes of one item in an admit batch: epoch 16, session 32, counter 4, replay nonce 24, tag 16, attempt 16. */
export const ADMIT_ITEM_BYTES = 108;
/** Items in one batch; a larger one is refused as a whole. */
export const ADMIT_BATCH_MAX = 256;

const VERDICT_BYTES = { fresh: 0x66, replay: 0x72, reuse: 0x75, refused: 0x78 } as const;
const VERDICT_OF_BYTE: ReadonlyMap<number, string> = new Map(
  Object.entries(VERDICT_BYTES).map(([verdict, byte]) => [byte, verdict]),
);

/** An admit batch as the data of one NATS request: the items in a row. */
export function encodeAdmitBatch(items: readonly AdmitItem[]): Uint8Array {
  const out = Buffer.alloc(items.length * ADMIT_ITEM_BYTES);
  let at = 0;
  for (const item of items) {
    out.set(item.epoch, at);
    out.set(item.sessionId, at + 16);
    out.writeUInt32BE(item.counter, at + 48);
    out.set(item.replayNonce, at + 52);
    out.set(item.tag, at + 76);
    out.set(item.attempt, at + 92);
    at += ADMIT_ITEM_BYTES;
  }
  return out;
}

/**
 * The items of a received batch, as views on `data` (no copy).
 * @throws ScbeError BAD_REQUEST if the length is not a multiple of an item, zero, or above the limit
 */
export function decodeAdmitBatch(data: Uint8Array): AdmitItem[] {
  const count = data.length / ADMIT_ITEM_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > ADMIT_BATCH_MAX) {
    throw new ScbeError(
      "BAD_REQUEST",
      `an admit batch holds 1 to ${ADMIT_BATCH_MAX} items of ${ADMIT_ITEM_BYTES} bytes`,
    );
  }
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, index) => {
    const at = index * ADMIT_ITEM_BYTES;
    return {
      epoch: bytes.subarray(at, at + 16),
      sessionId: bytes.subarray(at + 16, at + 48),
      counter: bytes.readUInt32BE(at + 48),
      replayNonce: bytes.subarray(at + 52, at + 76),
      tag: bytes.subarray(at + 76, at + 92),
      attempt: bytes.subarray(at + 92, at + 108),
    };
  });
}

/** The verdicts of a batch, one byte each, in the order of its items. */
export function encodeVerdicts(verdicts: readonly AdmitVerdict[]): Uint8Array {
  return Uint8Array.from(verdicts, (verdict) => VERDICT_BYTES[verdict]);
}

/** The verdicts for `count` items. An answer of another length refuses all of them, an unknown byte its own item. */
export function decodeVerdicts(data: Uint8Array, count: number): AdmitVerdict[] {
  if (data.length !== count) return Array.from({ length: count }, () => "refused");
  return Array.from(data, (byte) => (VERDICT_OF_BYTE.get(byte) ?? "refused") as AdmitVerdict);
}

const TRACE = /^(\d{1,3})=(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})$/;
/** `255=`, a traceparent and a comma, for each item. */
const TRACES_BYTES_MAX = ADMIT_BATCH_MAX * 60;

/**
 * The header `scbe-traceparents` of an admit batch: for each item with a recorded trace, its index in the batch and its W3C
 * `traceparent`. Undefined if no trace is recorded.
 * @param traceparents one for each item, in the batch's order
 */
export function encodeAdmitTraces(traceparents: readonly (string | undefined)[]): string | undefined {
  const items = traceparents.flatMap((it, index) => (it === undefined ? [] : [`${index}=${it}`]));
  return items.length === 0 ? undefined : items.join(",");
}

/** The items' traceparents by index. Malformed ones, and those beyond the batch, are left out. */
export function decodeAdmitTraces(header: string | undefined, count: number): ReadonlyMap<number, string> {
  const traces = new Map<number, string>();
  if (header === undefined || header.length > TRACES_BYTES_MAX) return traces;
  for (const item of header.split(",")) {
    const [, index = "", traceparent] = TRACE.exec(item) ?? [];
    if (traceparent !== undefined && Number(index) < count) traces.set(Number(index), traceparent);
  }
  return traces;
}
