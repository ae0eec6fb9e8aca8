import { z } from "zod";
import { Generation, INTEGER_MAX, Time } from "./message.ts";
import { StreamPlace } from "./trust.ts";

/** Longest request to one of the reading endpoints, in bytes. */
export const READ_QUESTION_BYTES_MAX = 512;

const Count = z.int().min(0).max(INTEGER_MAX);

/**
 * Request to `scbe.v1.control.get.<user>` and `scbe.v1.keyring.ring.get.<user>`: the held generation, `null` for none. The answer is the
 * signed document, or empty if it has that generation.
 */
export const HeldGeneration = z.strictObject({ v: z.literal(1), generation: Generation.nullable() });
export type HeldGeneration = z.infer<typeof HeldGeneration>;

/**
 * Request to `scbe.v1.trust.get.<user>` and `scbe.v1.trust.last.<user>`: the place of the held document, `null` for none. The answer is the
 * trust document, or empty if it has that place.
 */
export const HeldPlace = z.strictObject({ v: z.literal(1), stream: StreamPlace.nullable() });
export type HeldPlace = z.infer<typeof HeldPlace>;

/**
 * Request to `scbe.v1.security.read.<user>` and `scbe.v1.audit.read.<user>`, streams that others read through their owner: the bounds of the
 * stream, or its messages from one number to another.
 */
export const StreamQuestion = z.discriminatedUnion("ask", [
  z.strictObject({ v: z.literal(1), ask: z.literal("bounds") }),
  z.strictObject({ v: z.literal(1), ask: z.literal("batch"), from: Count, last: Count }),
]);
export type StreamQuestion = z.infer<typeof StreamQuestion>;

/** The answer for `bounds`. */
export const StreamBoundsAnswer = z.strictObject({
  v: z.literal(1),
  /** When the stream was created. */
  created: z.string().max(64),
  first: Count,
  last: Count,
  messages: Count,
  bytes: Count,
  bytesMax: z.int().min(-1).max(INTEGER_MAX),
});

/** The answer for `batch`: in order, as many as fit; empty if there are none. */
export const StreamBatchAnswer = z.strictObject({
  v: z.literal(1),
  messages: z
    .array(
      z.strictObject({
        seq: Count,
        subject: z.string().max(256),
        /** ms since the Unix epoch, by the server's clock. */
        at: Time,
        /** base64 */
        data: z.string(),
      }),
    )
    .max(256),
});
