import { jcs } from "@scbe/contracts";
import { type Member, SLOT_PATTERNS } from "./forms.ts";
import type { Header } from "./header.ts";

/** The members that vary within a session, in canonical order. */
const SLOTS = ["final", "in_reply_to", "nonce", "replay_nonce", "request_id", "seq", "ts"] as const;
export type Slot = (typeof SLOTS)[number];
export type SlotValues = Readonly<Partial<Record<Slot, string | number>>>;

/**
 * The canonical text of a header, cut at its slots. Rendering it with other values gives the same text as canonicalizing, and a text
 * that matches it is canonical without being parsed. This holds because no value of a header needs a JSON escape, and each value has one
 * form.
 */
export class HeaderTemplate {
  /** The members that do not vary. */
  readonly fixed: Header;
  readonly #slots: readonly Slot[];
  /** One more than there are slots. */
  readonly #parts: readonly string[];
  /** Made on the first match, since sealers never match. */
  #pattern: RegExp | undefined;

  /** @param header a legal header; the values of its slots do not matter */
  constructor(header: Header) {
    this.fixed = header;
    this.#slots = SLOTS.filter((slot) => Object.hasOwn(header, slot));
    this.#parts = cut(jcs(header), this.#slots, header);
  }

  render(values: SlotValues): string {
    let text = this.#parts[0] ?? "";
    for (let index = 0; index < this.#slots.length; index += 1) {
      text += `${values[this.#slots[index] as Slot]}${this.#parts[index + 1]}`;
    }
    return text;
  }

  /** The header of a text that differs from the template only in well-formed slots. */
  match(text: string): Header | undefined {
    this.#pattern ??= patternOf(this.#parts, this.#slots);
    const found = this.#pattern.exec(text);
    if (found === null) return undefined;
    const header: Record<string, unknown> = { ...this.fixed };
    for (let index = 0; index < this.#slots.length; index += 1) {
      const slot = this.#slots[index] as Slot;
      header[slot] = slot === "ts" ? Number(found[index + 1]) : found[index + 1];
    }
    return header as unknown as Header;
  }
}

/** One expression for the whole text. A template with a slot of variable width, as in chunks of streams, matches nothing. */
function patternOf(parts: readonly string[], slots: readonly Slot[]): RegExp {
  const sources = slots.map((slot) => SLOT_PATTERNS[slot]?.source.slice(1, -1));
  if (sources.includes(undefined)) return NOTHING;
  const whole = parts.map(
    (part, index) => `${literal(part)}${index < sources.length ? `(${sources[index]})` : ""}`,
  );
  return new RegExp(`^${whole.join("")}$`);
}

const NOTHING = /[^\s\S]/;

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** A quoted name with a colon is always that member, since no value holds a quote. */
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
