import { readMessage, TrustDocument } from "@scbe/contracts";

/** Room for every provider with the longest reason, each of its characters escaped. */
export const TRUST_DOCUMENT_BYTES_MAX = 512 * 1024;

/** The document that bytes from the bus hold as JSON, or `undefined` when they are none. */
export function readTrustDocument(bytes: Uint8Array): TrustDocument | undefined {
  return readMessage(bytes, TrustDocument, TRUST_DOCUMENT_BYTES_MAX);
}
