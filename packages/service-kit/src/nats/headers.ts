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
  const { _msg: lengths, _rdata: bytes } = innermost(message);
  return lengths.hdr > 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, lengths.hdr).toString("utf8") : "";
}

/** The first value of a header, by its exact name. */
export function firstHeader(block: string, name: string): string | undefined {
  const line = `\r\n${name}:`;
  const start = block.indexOf(line);
  if (start === -1) return undefined;
  const end = block.indexOf("\r\n", start + line.length);
  return block.slice(start + line.length, end === -1 ? undefined : end).trim();
}

/** What the library keeps of a message: how many of its bytes are headers, and all of them. */
interface RawMessage {
  readonly _msg: { readonly hdr: number };
  readonly _rdata: Uint8Array;
}

/** A message to an endpoint of the services framework is wrapped once more. */
function innermost(message: Msg): RawMessage {
  const { msg } = message as { readonly msg?: Msg };
  return (msg ?? message) as unknown as RawMessage;
}
