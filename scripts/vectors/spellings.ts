import { base64url } from "./reference.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Other texts for the same bytes, which lenient decoders accept as base64url. The bytes must show the alphabet. */
export function otherSpellings(bytes: Uint8Array): readonly (readonly [string, string])[] {
  const text = base64url(bytes);
  if (!/[-_]/.test(text)) throw new Error("these bytes look the same in both alphabets");
  const last = ALPHABET.indexOf(text.slice(-1));
  return [
    ["with padding", text.padEnd(Math.ceil(text.length / 4) * 4, "=")],
    ["with a loose bit set", text.slice(0, -1) + ALPHABET[last + 1]],
    ["in the other alphabet", text.replaceAll("-", "+").replaceAll("_", "/")],
    ["with a line feed at its end", `${text}\n`],
    ["with a space in it", `${text.slice(0, 20)} ${text.slice(20)}`],
  ];
}

/** The first value whose texts differ between the alphabets. */
export function firstShowing<T>(make: (n: number) => T, bytesOf: (made: T) => readonly Uint8Array[]): T {
  for (let n = 0; ; n += 1) {
    const made = make(n);
    if (bytesOf(made).every((bytes) => /[-_]/.test(base64url(bytes)))) return made;
  }
}
