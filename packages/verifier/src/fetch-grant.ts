import type { Bus, Identity } from "@scbe/bus";
import { type Environment, type GrantMeta, ScbeError, subjectOf, writeMessage } from "@scbe/contracts";
import { importSubkeys, type Subkeys } from "@scbe/envelope";
import { askGrant, readGrant } from "@scbe/envelope/grant";
import type { WantedKey } from "./held-keys.ts";

export interface GrantSource {
  readonly bus: Bus;
  readonly identity: Identity;
  readonly env: Environment;
  readonly keyringPublicKey: string;
}

const GRANT_TIMEOUT_MS = 2000;
const ASK_AGAIN_AFTER_MS = 250;

/**
 * Fetches subkeys from the keyring by one grant.
 * @throws ScbeError the code of the bus or the keyring, or FORBIDDEN for an answer that is not the keyring's to this request
 */
export async function fetchGrant(
  wanted: WantedKey,
  { bus, identity, env, keyringPublicKey }: GrantSource,
): Promise<{ readonly subkeys: Subkeys; readonly meta: GrantMeta }> {
  const { kid, provider, intent } = wanted;
  const { question, keys } = await askGrant({ env, provider, intent, kid }, identity);
  const reply = await bus.request(subjectOf("grant", { user: bus.user, provider }), writeMessage(question), {
    timeoutMs: GRANT_TIMEOUT_MS,
    againAfterMs: ASK_AGAIN_AFTER_MS,
  });
  const grant = await readGrant({ answer: reply.data, question, keys }, keyringPublicKey);
  if (!grant.ok) {
    throw new ScbeError("FORBIDDEN", `the answer to a grant request was refused: ${grant.reason}`);
  }
  const names = { env, provider, intent, kid: grant.meta.kid };
  return { subkeys: importSubkeys(names, grant.material), meta: grant.meta };
}
