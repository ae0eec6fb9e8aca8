import { jcs } from "../jcs.ts";
import { FORMS, type Member } from "./forms.ts";
import type { Header } from "./header.ts";

/** The members that differ from one envelope of a session to the next, in canonical order. */
const SLOTS = ["final", "in_reply_to", "nonce", "replay_nonce", "request_id", "seq", "ts"] as const;
export type Slot = (typeof SLOTS)[number];
export type SlotValues = Readonly<Partial<Record<Slot, string | number>>>;

/** Members of a fixed width, by which a text can be cut without parsing it. The others have none. */
const WIDTHS: Readonly<Partial<Record<Slot, number>>> = {
  in_reply_to: 43,
  nonce: 16,
  replay_nonce: 32,
  request_id: 36,
  ts: 13,
};
const DIGITS = /^[1-9]\d{12}$/;

/**
 * The canonical text of a header, cut open at its slots: rendering it with other values gives just what the canonicaliser
 * would, and a text that fits it is canonical without having been parsed. It holds because no value of a header ever
 * needs a JSON escape, and sealed text has one form for each value.
 */
export class HeaderTemplate {
  /** Every member that does not vary. */
  readonly fixed: Header;
  readonly #slots: readonly Slot[];
  /** One more than slots. */
  readonly #parts: readonly string[];

  /** @param header a legal header; the values of its slots do not matter */
  constructor(header: Header) {
    this.fixed = header;
    this.#slots = SLOTS.filter((slot) => Object.hasOwn(header, slot));
    this.#parts = cut(jcs(header), this.#slots, header);
  }

  render(values: SlotValues): string {
    let text = this.#parts[0] ?? "";
    for (const [index, slot] of this.#slots.entries()) text += `${values[slot]}${this.#parts[index + 1]}`;
    return text;
  }

  /** The header of a text that differs from the template's in its slots alone, each of them well-formed. */
  match(text: string): Header | undefined {
    const found: Record<string, string | number> = {};
    let at = 0;
    for (const [index, slot] of this.#slots.entries()) {
      const part = this.#parts[index] ?? "";
      const width = WIDTHS[slot];
      if (width === undefined || !text.startsWith(part, at)) return undefined;
      at += part.length;
      const value = text.slice(at, at + width);
      if (slot === "ts" ? !DIGITS.test(value) : !FORMS[slot](value)) return undefined;
      found[slot] = slot === "ts" ? Number(value) : value;
      at += width;
    }
    const last = this.#parts[this.#slots.length] ?? "";
    if (text.length !== at + last.length || !text.endsWith(last)) return undefined;
    return { ...this.fixed, ...found } as Header;
  }
}

/** A name in quotes with a colon stands in the text only as that member: no value holds a quote. */
function cut(text: string, slots: readonly Slot[], header: Header): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const slot of slots) {
    const value = header[slot as Member & keyof Header] as string | number;
    const quote = typeof value === "string" ? 1 : 0;
    const start = text.indexOf(`"${slot}":`, from) + slot.length + 3 + quote;
    parts.push(text.slice(from, start));
    from = start + String(value).length;
  }
  parts.push(text.slice(from));
  return parts;
}
