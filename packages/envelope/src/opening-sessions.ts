import type { Header } from "./header/header.ts";
import type { SessionKeys } from "./keys/session-keys.ts";
import type { Subkeys } from "./keys/subkeys.ts";

const SESSIONS_MAX = 4096;

interface Verified extends Pick<Header, "phase" | "commitment"> {
  readonly keys: SessionKeys;
}

/**
 * The keys of sessions that have verified. They hang on the subkeys that they were derived from, and go with them: when a
 * keyring retires a key, nothing that it opens is left. Bounded; the oldest goes first.
 */
export class OpeningSessions {
  /** By session_id, in its text. */
  readonly #of = new WeakMap<Subkeys, Map<string, Verified>>();

  /** Found only by the phase and the commitment that were verified with it. */
  find(subkeys: Subkeys, header: Header): SessionKeys | undefined {
    const known = this.#of.get(subkeys)?.get(header.session_id);
    if (known?.commitment !== header.commitment || known.phase !== header.phase) return undefined;
    return known.keys;
  }

  /** Only for a session of which an envelope has verified. */
  keep(subkeys: Subkeys, { phase, commitment, session_id }: Header, keys: SessionKeys): void {
    const sessions = this.#of.get(subkeys) ?? new Map<string, Verified>();
    this.#of.set(subkeys, sessions);
    sessions.set(session_id, { phase, commitment, keys });
    if (sessions.size <= SESSIONS_MAX) return;
    const oldest = sessions.keys().next();
    if (oldest.done !== true) sessions.delete(oldest.value);
  }
}
