import { documents } from "./control-documents.ts";
import { documentOf, flagging, KILL, killing, READER, signedBytes, stateOf } from "./control-reference.ts";
import { sequences, skewWindows } from "./control-sequences.ts";
import { TS } from "./fixed.ts";

/** Control documents, which one of several is in force, and what they widen. */
export function controls() {
  return {
    ...READER,
    example: example(),
    documents: documents(),
    sequences: sequences(),
    skew_windows: skewWindows(),
  };
}

/** A document in every step of its making, as the page shows it. */
function example() {
  const change = {
    after: TS - 60_000,
    ...killing(null, { openai: KILL }),
    ...flagging(true, { anthropic: { enabled: true, traffic_percentage: 25 } }),
    fallback: { causes: ["flags"] },
  };
  const { payload, digest, signed, message } = documentOf(change);
  return {
    name: "example",
    rules: ["CD1", "CD5"],
    state: stateOf(change),
    payload,
    signed_bytes: signedBytes(payload).toString("hex"),
    ...{ signature: signed.signature, digest, message },
  };
}
