import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { type Environment, OPENING_TOKEN_INTENT, type OpeningTokenResult, ScbeError } from "@scbe/contracts";
import { hkdfSha256, type Subkeys } from "./keys.ts";
import type { Clock, OpeningKeys, SealingKeys } from "./ports.ts";
import { lp } from "./wire.ts";

/** The statement of a token: this user sealed this request. */
export interface TokenFacts {
  readonly user: string;
  readonly provider: string;
  readonly intent: string;
  /** SHA-256 of the request's envelope, 32 bytes. */
  readonly hash: Uint8Array;
}

export interface OpeningTokensPorts {
  readonly keys: SealingKeys & OpeningKeys;
  readonly clock: Clock;
  readonly env: Environment;
}

/**
 * `foreign`: the MAC is wrong, so the token is of another user, provider, intent or request, or forged. `expired`: it is
 * authentic, but too old. `unknown_key`: its key is not held. All but `taken` are one refusal to the caller.
 */
export type TokenVerdict = OpeningTokenResult;

/** `<kid>.<expiry in ms>.<MAC>` */
const FORM = /^[a-z0-9][a-z0-9_-]{0,63}\.[1-9][0-9]{12}\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const LABEL = "scbe/v1/opening-token";

/**
 * Opening tokens of the envelope service (docs/spec/envelope-v1.md, "Opening tokens"): HMAC-SHA-256 under a key that only envelope
 * services can derive. Every replica accepts the tokens of the others, and none is stored.
 */
export class OpeningTokens {
  readonly #ports: OpeningTokensPorts;
  /** The MAC keys of held subkeys; each is dropped with its subkeys. */
  readonly #macKeys = new WeakMap<Subkeys, KeyObject>();

  constructor(ports: OpeningTokensPorts) {
    this.#ports = ports;
  }

  /**
   * @param expiresAt ms since the Unix epoch
   * @throws ScbeError NO_KEYS without an active key
   */
  issue(facts: TokenFacts, expiresAt: number): string {
    const subkeys = this.#ports.keys.active(facts.provider, OPENING_TOKEN_INTENT);
    if (subkeys === undefined)
      throw new ScbeError("NO_KEYS", `no active key for opening tokens of ${facts.provider}`);
    const expiry = String(expiresAt);
    return `${subkeys.kid}.${expiry}.${this.#mac(subkeys, facts, expiry).toString("base64url")}`;
  }

  judge(token: string, facts: TokenFacts): TokenVerdict {
    if (!FORM.test(token)) return "malformed";
    const [kid, expiry, mac] = token.split(".") as [string, string, string];
    const subkeys = this.#ports.keys.find(kid, facts.provider, OPENING_TOKEN_INTENT);
    if (subkeys?.env !== this.#ports.env) return "unknown_key";
    if (!timingSafeEqual(this.#mac(subkeys, facts, expiry), Buffer.from(mac, "base64url"))) return "foreign";
    return this.#ports.clock.now() <= Number(expiry) ? "taken" : "expired";
  }

  #mac(subkeys: Subkeys, { user, provider, intent, hash }: TokenFacts, expiry: string): Buffer {
    const { env, kid } = subkeys;
    const bytes = lp(LABEL, env, kid, user, provider, intent, hash, expiry);
    return createHmac("sha256", this.#macKey(subkeys)).update(bytes).digest();
  }

  #macKey(subkeys: Subkeys): KeyObject {
    const known = this.#macKeys.get(subkeys);
    if (known !== undefined) return known;
    const raw = hkdfSha256(subkeys.encKey, LABEL, lp("mac"), 32);
    const key = createSecretKey(raw);
    raw.fill(0);
    this.#macKeys.set(subkeys, key);
    return key;
  }
}
