import type { StreamPlace, TrustDocument } from "@scbe/contracts";

/**
 * What to do with a document that was broadcast. One that goes back, or is of another stream, may come from a scorer that leads no more, or from
 * one whose stream was restored: what is stored decides that.
 */
export function judgeBroadcast(
  held: Pick<TrustDocument, "stream"> | undefined,
  { created, seq }: StreamPlace,
): "take" | "look up" {
  if (held === undefined) return "take";
  return created === held.stream.created && seq >= held.stream.seq ? "take" : "look up";
}
