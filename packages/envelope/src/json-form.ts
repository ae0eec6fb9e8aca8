import { ScbeError } from "@scbe/contracts";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { splitEnvelope, startEnvelope, TAG_BYTES } from "./wire.ts";

/** An envelope for people and for HTTP: the header's text as it was authenticated, the rest in base64url. */
export interface JsonEnvelope {
  readonly header: string;
  readonly ciphertext: string;
  readonly tag: string;
}

/** @throws ScbeError BAD_REQUEST when the bytes cannot be an envelope */
export function toJsonForm(envelope: Uint8Array): JsonEnvelope {
  const parts = splitEnvelope(envelope);
  if (parts === undefined || !isAscii(parts.headerText)) throw malformed();
  const { headerText: header, ciphertext, tag } = parts;
  return { header, ciphertext: encodeBase64Url(ciphertext), tag: encodeBase64Url(tag) };
}

/** The binary form: the same header bytes, so the same tag. @throws ScbeError BAD_REQUEST */
export function fromJsonForm(value: unknown): Uint8Array {
  if (!isJsonEnvelope(value) || !isAscii(value.header)) throw malformed();
  const ciphertext = decode(value.ciphertext);
  const tag = decode(value.tag);
  if (ciphertext === undefined || tag?.length !== TAG_BYTES) throw malformed();
  const { bytes, aadBytes } = startEnvelope(value.header, ciphertext.length);
  bytes.set(ciphertext, aadBytes);
  bytes.set(tag, aadBytes + ciphertext.length);
  if (splitEnvelope(bytes) === undefined) throw malformed();
  return bytes;
}

function isJsonEnvelope(value: unknown): value is JsonEnvelope {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 3) return false;
  return (["header", "ciphertext", "tag"] as const).every(
    (name) => Object.hasOwn(value, name) && typeof (value as Record<string, unknown>)[name] === "string",
  );
}

function decode(text: string): Uint8Array | undefined {
  return decodeBase64Url(text, Math.floor((text.length * 3) / 4));
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function malformed(): ScbeError {
  return new ScbeError("BAD_REQUEST", "this is no envelope in its JSON form");
}
