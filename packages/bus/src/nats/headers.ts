import type { Msg, MsgHdrs } from "nats";
import { headers as emptyHeaders } from "nats";
import type { BusHeaders } from "../bus.ts";

/** Headers in the client's form. @throws when a name or value cannot stand in a header */
export function encodeHeaders(headers: BusHeaders): MsgHdrs {
  const encoded = emptyHeaders();
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) encoded.append(name, value);
  }
  return encoded;
}

/**
 * The headers of a message as they were received, status line first; empty where there are none. Who may publish to us
 * chooses them: the client library's own reading takes time by the square of their number, and throws at a malformed name.
 */
export function headerBlock(message: Msg): string {
  const { _msg: lengths, _rdata: bytes } = message as unknown as RawMessage;
  return lengths.hdr > 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, lengths.hdr).toString("utf8") : "";
}

/** What the library keeps of a message: how many of its bytes are headers, and all of them. */
interface RawMessage {
  readonly _msg: { readonly hdr: number };
  readonly _rdata: Uint8Array;
}
