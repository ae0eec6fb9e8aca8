import type { Header } from "./header/header.ts";
import { HeaderTemplate } from "./header/template.ts";
import type { SessionKeys, Subkeys } from "./keys.ts";

const HEADER_SESSIONS_MAX = 1024;
const TEMPLATES_PER_SESSION_MAX = 8;
/** Every canonical header begins with this and the 43 characters of its session's commitment. */
const START = '{"commitment":"';
const COMMITMENT_AT = START.length;
const COMMITMENT_CHARS = 43;

/**
 * The kinds of headers that were authenticated before, so that later headers of the same session need no parsing and
 * canonicalizing. Only verified envelopes fill it. It is bounded; the oldest session is dropped first.
 */
export class LearnedHeaders {
  readonly #sessions = new Map<string, HeaderTemplate[]>();

  /** The header of this text, if it differs from a learned one only in the members that vary within a session. */
  match(text: string): Header | undefined {
    const templates = this.#sessions.get(commitmentIn(text));
    if (templates === undefined) return undefined;
    for (const template of templates) {
      const header = template.match(text);
      if (header !== undefined) return header;
    }
    return undefined;
  }

  /** Takes only headers of envelopes with a verified tag. */
  learn(header: Header): void {
    if (header.phase === "response" && header.seq !== undefined) return;
    const templates = this.#sessions.get(header.commitment) ?? [];
    if (templates.length >= TEMPLATES_PER_SESSION_MAX) templates.shift();
    templates.push(new HeaderTemplate(header));
    this.#sessions.set(header.commitment, templates);
    if (this.#sessions.size > HEADER_SESSIONS_MAX) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#sessions.keys().next();
    if (oldest.done !== true) this.#sessions.delete(oldest.value);
  }
}

function commitmentIn(text: string): string {
  return text.slice(COMMITMENT_AT, COMMITMENT_AT + COMMITMENT_CHARS);
}

const KEY_SESSIONS_MAX = 4096;

interface VerifiedSession extends Pick<Header, "phase" | "commitment"> {
  readonly keys: SessionKeys;
}

/**
 * The keys of verified sessions. They belong to the subkeys that they were derived from, and are dropped with them: after the
 * keyring retires a key, none of its session keys is left. It is bounded; the oldest is dropped first.
 */
export class OpeningSessions {
  /** By the text of session_id. */
  readonly #of = new WeakMap<Subkeys, Map<string, VerifiedSession>>();

  /** Finds keys only with the phase and the commitment that were verified with them. */
  find(subkeys: Subkeys, header: Header): SessionKeys | undefined {
    const known = this.#of.get(subkeys)?.get(header.session_id);
    if (known?.commitment !== header.commitment || known.phase !== header.phase) return undefined;
    return known.keys;
  }

  /** Takes only sessions with a verified envelope. */
  keep(subkeys: Subkeys, { phase, commitment, session_id }: Header, keys: SessionKeys): void {
    const sessions = this.#of.get(subkeys) ?? new Map<string, VerifiedSession>();
    this.#of.set(subkeys, sessions);
    sessions.set(session_id, { phase, commitment, keys });
    if (sessions.size <= KEY_SESSIONS_MAX) return;
    const oldest = sessions.keys().next();
    if (oldest.done !== true) sessions.delete(oldest.value);
  }
}
