import type { GrantRequest } from "@scbe/contracts";
import { encodeBase64Url } from "../base64url.ts";
import type { Identity } from "./identity.ts";
import { GRANT_SUITE, type GrantKeys } from "./suite.ts";
import { type QuestionFacts, questionBytes } from "./transcript.ts";

export interface AskedGrant {
  /** What goes to the keyring, as JSON. */
  readonly question: GrantRequest;
  /** What {@link readGrant} needs for the answer to this very question; keep it no longer. */
  readonly keys: GrantKeys;
}

/**
 * A signed question for `k_enc || k_nonce` of one (env, provider, intent, kid), with a key pair drawn for it.
 * @param wanted an empty `kid` asks for the active one
 * @example
 * const { question, keys } = await askGrant({ env: "dev", provider: "openai", intent: "chat", kid: "" }, identity);
 * const reply = await bus.request(subjectOf("grant", { user: bus.user, provider: "openai" }), writeMessage(question), { timeoutMs: 2000 });
 * const grant = await readGrant({ answer: reply.data, question, keys }, keyringPublicKey);
 */
export async function askGrant(
  wanted: Omit<QuestionFacts, "asker">,
  identity: Identity,
): Promise<AskedGrant> {
  const { env, provider, intent, kid } = wanted;
  const facts = { env, provider, intent, kid, asker: identity.publicKey };
  const keys = await GRANT_SUITE.GenerateKeyPair();
  const publicKey = await GRANT_SUITE.SerializePublicKey(keys.publicKey);
  const signature = identity.sign(questionBytes(facts, publicKey));
  const question: GrantRequest = {
    v: 1,
    ...facts,
    public_key: encodeBase64Url(publicKey),
    signature: encodeBase64Url(signature),
  };
  return { question, keys };
}
