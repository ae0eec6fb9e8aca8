import type { MsgHdrs } from "nats";
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

/** The first value of a header, by its exact name. */
export function firstHeader(headers: MsgHdrs | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  for (const [key, values] of headers) {
    if (key === name) return values[0];
  }
  return undefined;
}
