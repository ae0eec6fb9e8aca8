import { createHash } from "node:crypto";
import { jcs } from "@scbe/contracts";
import { encodeBase64Url, lp } from "../wire.ts";

/**
 * The hash of an entry of a hash chain: base64url of SHA-256 over `LP(previous)` and the entry's RFC 8785 form.
 * @param previous the hash of the entry before; "" for the first one
 * @throws Error for an entry that JSON cannot hold
 */
export function chainHash(previous: string, entry: unknown): string {
  const hash = createHash("sha256").update(lp(previous)).update(jcs(entry), "utf8");
  return encodeBase64Url(hash.digest());
}
