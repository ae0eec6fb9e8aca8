import canonicalize from "canonicalize";

/**
 * The canonical text of a JSON value (RFC 8785): members sorted, no spaces, one form for every number and string.
 * @throws Error on what is no I-JSON: a lone surrogate, NaN, an infinity, or a value that JSON cannot hold
 */
export function jcs(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("JSON cannot hold this value");
  return text;
}
