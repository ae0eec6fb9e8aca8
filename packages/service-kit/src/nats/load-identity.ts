import type { Identity } from "../identity.ts";
import type { Transport } from "../transport.ts";

/** The identity that a transport's files hold; `undefined` on an open server. */
export function loadIdentity(transport: Pick<Transport, "credsFile" | "nkeySeedFile">): Identity | undefined {
  throw new Error(`not written yet: ${JSON.stringify(transport)}`);
}
