import { z } from "zod";

/** The last character by how many of its bits fill no byte: those are zero. */
const LAST: Readonly<Record<number, string>> = {
  0: "[A-Za-z0-9_-]",
  2: "[AEIMQUYcgkosw048]",
  4: "[AQgw]",
};

/** Exactly the texts that base64url (RFC 4648, section 5) has for `bytes` bytes: without padding, one text for each value. */
export function base64UrlPattern(bytes: number): RegExp {
  const characters = Math.ceil((bytes * 4) / 3);
  return new RegExp(`^[A-Za-z0-9_-]{${characters - 1}}${LAST[characters * 6 - bytes * 8]}$`);
}

/** A text of {@link base64UrlPattern}. */
export function exactBase64Url(bytes: number) {
  return z.string().regex(base64UrlPattern(bytes));
}
