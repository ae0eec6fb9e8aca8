import { jcs, readCanonical, readMessage, ScbeError, type Schema } from "@scbe/contracts";
import {
  decodeBase64Url,
  ENVELOPE_HEADER_BYTES_MAX,
  encodeBase64Url,
  splitEnvelope,
  startEnvelope,
  TAG_BYTES,
} from "./wire.ts";

interface JsonEnvelope {
  readonly header: string;
  readonly ciphertext: string;
  readonly tag: string;
}

/**
 * An envelope as text, for people and for HTTP: canonical JSON with the authenticated header text, and the rest in
 * base64url (docs/spec/envelope-v1.md, "JSON form").
 * @throws ScbeError BAD_REQUEST if the bytes cannot be an envelope
 */
export function toJsonForm(envelope: Uint8Array): string {
  const parts = splitEnvelope(envelope);
  if (parts === undefined || !isHeaderText(parts.headerText)) throw malformed();
  const { headerText: header, ciphertext, tag } = parts;
  return jcs({ header, ciphertext: encodeBase64Url(ciphertext), tag: encodeBase64Url(tag) });
}

/**
 * The binary form. The header bytes are the same, so the tag is, too.
 * @param received the JSON form, as text or in UTF-8; any other spelling is refused
 * @throws ScbeError BAD_REQUEST
 */
export function fromJsonForm(received: string | Uint8Array): Uint8Array {
  const form =
    typeof received === "string"
      ? readCanonical(received, FORM)
      : readMessage(received, FORM, Number.POSITIVE_INFINITY);
  if (form === undefined) throw malformed();
  const ciphertext = decode(form.ciphertext);
  const tag = decodeBase64Url(form.tag, TAG_BYTES);
  if (ciphertext === undefined || tag === undefined) throw malformed();
  const { bytes, aadBytes } = startEnvelope(form.header, ciphertext.length);
  bytes.set(ciphertext, aadBytes);
  bytes.set(tag, aadBytes + ciphertext.length);
  return bytes;
}

const FORM: Schema<JsonEnvelope> = {
  parse: (value) => {
    if (!isJsonEnvelope(value)) throw malformed();
    return value;
  },
};

function isJsonEnvelope(value: unknown): value is JsonEnvelope {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 3) return false;
  const { header, ciphertext, tag } = value as Record<string, unknown>;
  return isHeaderText(header) && typeof ciphertext === "string" && typeof tag === "string";
}

function decode(text: string): Uint8Array | undefined {
  return decodeBase64Url(text, Math.floor((text.length * 3) / 4));
}

function isHeaderText(text: unknown): text is string {
  return typeof text === "string" && text.length <= ENVELOPE_HEADER_BYTES_MAX && /^[\x20-\x7e]*$/.test(text);
}

function malformed(): ScbeError {
  return new ScbeError("BAD_REQUEST", "this is not an envelope in its JSON form");
}
