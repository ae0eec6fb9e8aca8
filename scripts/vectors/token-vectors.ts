import { createHmac } from "node:crypto";
import { CONTEXT, fixed, type HeldKey, heldKey, IKM, KID, make, TS } from "./fixed.ts";
import { base64url, deriveSubkey, hkdf, type KeyContext, lp } from "./reference.ts";
import { type Rules, ruleList } from "./situations.ts";

const INTENT = "scbe-opening-token";
const RESERVED = { ...CONTEXT, intent: INTENT } as const;
const OTHER_KID = "k-2025-12";
const OTHER_IKM = fixed("another data key", 32);
const EXPIRY = TS + 300_000 + 120_000;
const USUAL = { user: "orchestrator", provider: "openai", intent: "chat", hash: make().hash } as const;
const KEYS = [heldKey(RESERVED), heldKey(RESERVED, OTHER_KID, OTHER_IKM)];

interface Facts {
  readonly user: string;
  readonly provider: string;
  readonly intent: string;
  readonly hash: Buffer;
}

interface Making extends Facts {
  readonly context: KeyContext;
  readonly kid: string;
  readonly ikm: Uint8Array;
  readonly expiry: string;
  readonly label: string;
}

/** Opening tokens: their construction and their check. */
export function openingTokens() {
  const fields = (facts: Facts) => ({ ...facts, hash: facts.hash.toString("hex") });
  const making = (name: string, facts: Facts, expiry: number) => ({
    name,
    rules: ["X1"],
    env: "dev",
    key: heldKey({ ...RESERVED, provider: facts.provider }),
    ...fields(facts),
    expires_at: expiry,
    token: token({ ...facts, expiry: String(expiry), context: { ...RESERVED, provider: facts.provider } }),
  });
  const judged = (
    name: string,
    rules: Rules,
    verdict: "taken" | "malformed" | "unknown_key" | "foreign" | "expired",
    text: string,
    special: { now?: number; keys?: readonly HeldKey[]; facts?: Partial<Facts> } = {},
  ) => {
    const { now = TS, keys = KEYS, facts = {} } = special;
    return {
      name,
      rules: ruleList(rules),
      env: "dev",
      keys,
      ...fields({ ...USUAL, ...facts }),
      now,
      token: text,
      verdict,
    };
  };
  const right = token();
  const [kid = "", expiry = "", mac = ""] = right.split(".");
  const parts = (changes: { kid?: string; expiry?: string; mac?: string }) => {
    const all = { kid, expiry, mac, ...changes };
    return `${all.kid}.${all.expiry}.${all.mac}`;
  };
  const malformed = (name: string, text: string) => judged(name, "X2", "malformed", text);
  // whose MAC is right for the text as it is written
  const signed = (name: string, changes: Partial<Making>, keys: readonly HeldKey[] = KEYS) =>
    judged(name, "X2", "malformed", token(changes), { keys });
  const foreign = (name: string, text: string, facts?: Partial<Facts>) =>
    judged(name, "X4", "foreign", text, facts && { facts });
  const spelled = token({ hash: fixed("spelled", 32) });
  return {
    made: [
      making("of the example", USUAL, EXPIRY),
      making("of another user", { ...USUAL, user: "o" }, EXPIRY),
      making(
        "of another provider and intent",
        { ...USUAL, provider: "anthropic", intent: "embed" },
        EXPIRY + 1,
      ),
    ],
    not_made: [
      ["no key of its kid", { active: "k-x" }],
      ["no key for tokens, but one of the request's intent", { keys: [heldKey()] }],
      ["no key of the provider", { keys: [heldKey({ ...RESERVED, provider: "anthropic" })] }],
    ].map(([name, special]) => ({
      ...{ name, rules: ["X7"], env: "dev", active: KID, keys: KEYS, ...fields(USUAL) },
      ...{ expires_at: EXPIRY, ...(special as object), reason: "no_keys" },
    })),
    judged: [
      judged("rightly made", "X2 X3 X4 X5", "taken", right),
      judged("of another kid that is held", "X3", "taken", token({ kid: OTHER_KID, ikm: OTHER_IKM })),
      ...["k".repeat(64), "0az9_-", "a-0z_a", "z", "9"].map((kid) =>
        judged(`of the kid ${kid}`, "X2", "taken", token({ kid }), { keys: [heldKey(RESERVED, kid)] }),
      ),
      judged("at the last expiry of 13 digits", "X2", "taken", token({ expiry: "9999999999999" })),
      judged("at the first expiry of 13 digits", "X2", "taken", token({ expiry: "1000000000000" }), {
        now: 10 ** 12,
      }),
      ...[..."AEIMQUYcgkosw048"].map((last) => {
        const hash = hashFor((text) => text.endsWith(last));
        const name = `a MAC that ends in ${last}`;
        return judged(name, "X2", "taken", token({ hash }), { facts: { hash } });
      }),
      judged("at its expiry", "X5", "taken", right, { now: EXPIRY }),
      judged("1 ms after its expiry", "X5", "expired", right, { now: EXPIRY + 1 }),
      judged("long after its expiry", "X5", "expired", right, { now: EXPIRY + 10 ** 9 }),
      malformed("nothing", ""),
      malformed("no kid", parts({ kid: "" })),
      malformed("no expiry", `${kid}.${mac}`),
      malformed("no MAC", `${kid}.${expiry}.`),
      malformed("four parts", `${right}.`),
      malformed("a space before it", ` ${right}`),
      malformed("a line feed at its end", `${right}\n`),
      malformed("a MAC with padding", `${right}=`),
      malformed("a MAC whose unused bits are set", right.slice(0, -1) + nextOf(right.slice(-1))),
      judged(
        "a MAC in the other alphabet",
        "X2",
        "malformed",
        spelled.replace(/[^.]*$/, (text) => text.replaceAll("-", "+").replaceAll("_", "/")),
        { facts: { hash: fixed("spelled", 32) } },
      ),
      malformed("a MAC of 31 bytes", right.slice(0, -1)),
      malformed("a MAC a character shorter, which ends as one of 32 bytes may", cut(/[AEIMQUYcgkosw048].$/)),
      malformed("a MAC a character longer", `${right}A`),
      malformed("a MAC twice as long", right + mac),
      signed("an expiry of 12 digits", { expiry: "999999999999" }),
      signed("an expiry of 14 digits", { expiry: `${EXPIRY}0` }),
      signed("an expiry with a leading zero", { expiry: `0${String(EXPIRY).slice(1)}` }),
      signed("an expiry with a sign", { expiry: `+${String(EXPIRY).slice(1)}` }),
      signed("an expiry with a dot", { expiry: "176722603234." }),
      signed("an expiry with a fraction", { expiry: "17672260323.5" }),
      signed("a kid with a capital behind its first character", { kid: "kK" }, [heldKey(RESERVED, "kK")]),
      signed("a kid with a space", { kid: "k 1" }, [heldKey(RESERVED, "k 1")]),
      signed("a kid in capitals", { kid: "K1" }, [heldKey(RESERVED, "K1")]),
      signed("a kid that begins with a hyphen", { kid: "-k" }, [heldKey(RESERVED, "-k")]),
      signed("a kid of 65 characters", { kid: "k".repeat(65) }, [heldKey(RESERVED, "k".repeat(65))]),
      judged("no key at all", "X3", "unknown_key", right, { keys: [] }),
      judged("the same key under another kid", "X3", "unknown_key", right, {
        keys: [heldKey(RESERVED, "k-x")],
      }),
      judged("the same key, held for another provider", "X3", "unknown_key", right, {
        keys: [{ ...heldKey(RESERVED), provider: "anthropic" }],
      }),
      judged("the same key, held for another intent", "X3", "unknown_key", right, {
        keys: [{ ...heldKey(RESERVED), intent: "chat" }],
      }),
      judged("the same key, held for another environment", "X3", "unknown_key", right, {
        keys: [{ ...heldKey(RESERVED), env: "prod" }],
      }),
      foreign("another user's", right, { user: "other" }),
      foreign("another intent's", right, { intent: "embed" }),
      foreign("another request's", right, { hash: fixed("another request", 32) }),
      foreign("a user and an intent that run together alike", right, {
        user: "orchestratorc",
        intent: "hat",
      }),
      judged("another provider's", "X4", "foreign", right, {
        facts: { provider: "anthropic" },
        keys: [heldKey({ ...RESERVED, provider: "anthropic" })],
      }),
      foreign("with another expiry", parts({ expiry: String(EXPIRY + 1) })),
      foreign("with another kid that is held", parts({ kid: OTHER_KID })),
      foreign("made for another environment", token({ context: { ...RESERVED, env: "prod" } })),
      foreign("made with the key of an intent of the deployment", token({ context: CONTEXT })),
      foreign("made under another label", token({ label: "scbe/v1/closing-token" })),
      foreign("another in the first character of its MAC", flipped(right, -43)),
      foreign("another in the last character of its MAC", flipped(right, -1)),
      judged(
        "order: of an unknown key, and foreign",
        "X3 X4",
        "unknown_key",
        parts({ kid: "k-x", mac: "A".repeat(43) }),
      ),
      judged("order: foreign, and expired", "X4 X5", "foreign", right, {
        facts: { user: "other" },
        now: EXPIRY + 1,
      }),
      judged("order: of an unknown key, and expired", "X3 X5", "unknown_key", right, {
        keys: [],
        now: EXPIRY + 1,
      }),
      judged("order: malformed, and of an unknown key", "X2 X3", "malformed", `${right}=`, { keys: [] }),
    ],
  };
}

function token(making: Partial<Making> = {}): string {
  const facts = { ...USUAL, ...making };
  const { context = RESERVED, kid = KID, ikm = IKM, label = "scbe/v1/opening-token" } = making;
  const { expiry = String(EXPIRY) } = making;
  const key = hkdf(deriveSubkey("k_enc", ikm, context), "scbe/v1/opening-token", lp("mac"), 32);
  const texts = [label, context.env, kid, facts.user, facts.provider, facts.intent];
  const message = Buffer.concat([...texts, facts.hash, expiry].map(lp));
  return `${kid}.${expiry}.${base64url(createHmac("sha256", key).update(message).digest())}`;
}

/** The first hash that gives a token the wanted property. */
function hashFor(isWanted: (text: string) => boolean): Buffer {
  for (let index = 0; ; index += 1) {
    const hash = fixed(`hash ${index}`, 32);
    if (isWanted(token({ hash }))) return hash;
  }
}

/** Of a token that fits the pattern, all but its last character. */
function cut(pattern: RegExp): string {
  return token({ hash: hashFor((text) => pattern.test(text)) }).slice(0, -1);
}

/** With a character replaced by another valid one. */
function flipped(text: string, at: number): string {
  const index = text.length + at;
  const by = text.charAt(index) === "A" ? "E" : "A";
  return text.slice(0, index) + by + text.slice(index + 1);
}

function nextOf(character: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet.charAt(alphabet.indexOf(character) + 1);
}
