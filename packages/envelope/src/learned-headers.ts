import type { Header } from "./header/header.ts";
import { HeaderTemplate } from "./header/header-template.ts";

const SESSIONS_MAX = 1024;
const TEMPLATES_PER_SESSION_MAX = 8;
/** Every canonical header begins with this, and then come the 43 characters of its session's commitment. */
const START = '{"commitment":"';
const COMMITMENT_AT = START.length;
const COMMITMENT_CHARS = 43;

/**
 * Headers of the kinds that were authenticated before, so that the next ones of the same session need not be parsed and
 * canonicalised again. Filled by verified envelopes alone, bounded, the oldest session first out.
 */
export class LearnedHeaders {
  readonly #sessions = new Map<string, HeaderTemplate[]>();

  /** The header of this text, if it differs from a learned one only where headers of a session may differ. */
  match(text: string): Header | undefined {
    const templates = this.#sessions.get(commitmentIn(text));
    if (templates === undefined) return undefined;
    for (const template of templates) {
      const header = template.match(text);
      if (header !== undefined) return header;
    }
    return undefined;
  }

  /** Only for a header whose tag has verified. */
  learn(header: Header): void {
    if (header.phase === "response" && header.seq !== undefined) return;
    const templates = this.#sessions.get(header.commitment) ?? [];
    if (templates.length >= TEMPLATES_PER_SESSION_MAX) templates.shift();
    templates.push(new HeaderTemplate(header));
    this.#sessions.set(header.commitment, templates);
    if (this.#sessions.size > SESSIONS_MAX) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#sessions.keys().next();
    if (oldest.done !== true) this.#sessions.delete(oldest.value);
  }
}

function commitmentIn(text: string): string {
  return text.slice(COMMITMENT_AT, COMMITMENT_AT + COMMITMENT_CHARS);
}
