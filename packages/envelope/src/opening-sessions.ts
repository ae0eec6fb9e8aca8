import type { Header } from "./header/header.ts";
import type { SessionKeys } from "./keys/session-keys.ts";
import type { Subkeys } from "./keys/subkeys.ts";

const SESSIONS_MAX = 4096;

/**
 * The keys of sessions that have verified. They hang on the subkeys that they were derived from, and go with them: when a
 * keyring retires a key, nothing that it opens is left. Bounded; the oldest goes first.
 */
export class OpeningSessions {
  readonly #of = new WeakMap<Subkeys, Map<string, SessionKeys>>();

  /** Found only by the commitment that was verified with it. */
  find(subkeys: Subkeys, header: Header): SessionKeys | undefined {
    return this.#of.get(subkeys)?.get(idOf(header));
  }

  /** Only for a session of which an envelope has verified. */
  keep(subkeys: Subkeys, header: Header, keys: SessionKeys): void {
    const sessions = this.#of.get(subkeys) ?? new Map<string, SessionKeys>();
    this.#of.set(subkeys, sessions);
    sessions.set(idOf(header), keys);
    if (sessions.size <= SESSIONS_MAX) return;
    const oldest = sessions.keys().next();
    if (oldest.done !== true) sessions.delete(oldest.value);
  }
}

function idOf({ phase, session_id, commitment }: Header): string {
  return `${phase} ${session_id} ${commitment}`;
}
