import { CONTEXT, fixed, IKM, KID, TS } from "./fixed.ts";
import { hpkeSeal, x25519Pair } from "./hpke.ts";
import { type UserNkey, userNkey } from "./nkey.ts";
import { base64url, deriveSubkeys, headerText, lp, sha256 } from "./reference.ts";

const ASKER = userNkey(fixed("asker", 32));
const KEYRING = userNkey(fixed("keyring", 32));
const STRANGER = userNkey(fixed("stranger", 32));
const ASKER_SECRET = fixed("asker's x25519", 32);
const ASKER_PAIR = x25519Pair(ASKER_SECRET);
const EPHEMERAL = x25519Pair(fixed("ephemeral", 32));

const META = { kid: KID, state: "active", not_after: null as number | null, ring_generation: 7 };
const DECRYPT_ONLY = { ...META, state: "decrypt-only", not_after: TS + 1_500_000 };

/** Questions, answers and rings, under fixed keys of all who take part. */
export function grants() {
  return {
    asker: ASKER.publicKey,
    asker_x25519_private: hex(ASKER_SECRET),
    keyring: KEYRING.publicKey,
    grants: [
      exchange("the active key", "", META),
      exchange("a key by its kid", KID, META),
      exchange("a key that only opens", KID, DECRYPT_ONLY),
      exchange("a key with an end", KID, { ...META, not_after: TS }),
    ],
    refused_questions: refusedQuestions(),
    refused_answers: refusedAnswers(),
    rings: rings(),
  };
}

function ask(kid: string, asker: UserNkey = ASKER) {
  const facts = { ...CONTEXT, kid, asker: ASKER.publicKey };
  const { env, provider, intent } = CONTEXT;
  const parts = ["scbe/v1/grant-q", env, provider, intent, kid, facts.asker, ASKER_PAIR.publicBytes];
  const q = Buffer.concat(parts.map((part) => lp(part)));
  const question = {
    v: 1,
    ...facts,
    public_key: base64url(ASKER_PAIR.publicBytes),
    signature: base64url(asker.sign(q)),
  };
  return { q, question };
}

/** @param signedFor Q as the keyring signs it */
function answer(q: Buffer, meta: typeof META, keyring: UserNkey = KEYRING, signedFor = q) {
  const { encKey, nonceKey } = deriveSubkeys(IKM, CONTEXT);
  const { enc, ct } = hpkeSeal(ASKER_PAIR.publicBytes, EPHEMERAL, q, Buffer.concat([encKey, nonceKey]));
  const head = [lp("scbe/v1/grant-a"), sha256(signedFor)];
  const signed = Buffer.concat([...head, lp(enc), lp(ct), lp(headerText(meta))]);
  const signature = base64url(keyring.sign(signed));
  return { signed, answer: { v: 1, enc: base64url(enc), ct: base64url(ct), meta, signature } };
}

function exchange(name: string, kid: string, meta: typeof META) {
  const { q, question } = ask(kid);
  const { signed, answer: sealed } = answer(q, meta);
  const { encKey, nonceKey } = deriveSubkeys(IKM, CONTEXT);
  return {
    name,
    question,
    q: hex(q),
    answer: sealed,
    signed: hex(signed),
    k_enc: hex(encKey),
    k_nonce: hex(nonceKey),
  };
}

function refusedQuestions() {
  const { question } = ask(KID);
  const of = (name: string, reason: string, change: object) => ({
    name,
    reason,
    question: { ...question, ...change },
  });
  return [
    of("another intent than was signed", "signature", { intent: "embed" }),
    of("another kid than was signed", "signature", { kid: "" }),
    of("signed by another nkey", "signature", ask(KID, STRANGER).question),
    of("another asker than has signed", "signature", { asker: STRANGER.publicKey }),
    of("an asker whose checksum is wrong", "signature", { asker: `U${"A".repeat(55)}` }),
    of("another public key", "signature", { public_key: base64url(EPHEMERAL.publicBytes) }),
    of("a public key of 31 bytes", "malformed", { public_key: base64url(fixed("short", 31)) }),
    of("a signature with padding", "malformed", { signature: `${question.signature}==` }),
  ];
}

function refusedAnswers() {
  const { q, question } = ask("");
  const other = ask(KID);
  const right = answer(q, META).answer;
  const strangers = answer(q, META, STRANGER).answer;
  const elsewhere = answer(other.q, META, KEYRING, q).answer;
  const of = (name: string, reason: string, refused: typeof right, asked = question) => ({
    name,
    reason,
    question: asked,
    answer: refused,
  });
  return [
    of("signed by another nkey", "signature", strangers),
    of("the answer to another question", "signature", right, other.question),
    of("another state than was signed", "signature", { ...right, meta: DECRYPT_ONLY }),
    of("another ciphertext than was signed", "signature", { ...right, ct: base64url(fixed("ct", 80)) }),
    of("a ciphertext of 79 bytes", "malformed", { ...right, ct: base64url(fixed("ct", 79)) }),
    of("a signature with padding", "malformed", { ...right, signature: `${right.signature}==` }),
    of(
      "another kid than was asked for",
      "kid",
      answer(other.q, { ...META, kid: "k-2" }).answer,
      other.question,
    ),
    of("not the active one, though that was asked for", "kid", answer(q, DECRYPT_ONLY).answer),
    of(
      "a key that may not open",
      "kid",
      answer(other.q, { ...META, state: "retired" }).answer,
      other.question,
    ),
    of("signed for this question, sealed for another", "sealed", elsewhere),
  ];
}

function rings() {
  const payload =
    `{"env":"dev","generation":7,"keys":[{"kid":"${KID}","not_after":null,"state":"active"},` +
    `{"kid":"k-2025-12","not_after":${TS + 1_500_000},"state":"decrypt-only"},` +
    '{"kid":"k-2025-11","not_after":null,"state":"retired"}]}';
  const spaced = payload.replace(",", ", ");
  const of = (name: string, text: string, outcome: object, by: UserNkey = KEYRING, env = "dev") => ({
    name,
    env,
    ring: { v: 1, payload: text, signature: base64url(by.sign(ringBytes(text))) },
    ...outcome,
  });
  const opened = of("a ring of three keys", payload, { ok: true });
  return [
    opened,
    of("no keys", '{"env":"dev","generation":1,"keys":[]}', { ok: true }),
    of("signed by another nkey", payload, { ok: false, reason: "signature" }, STRANGER),
    {
      ...opened,
      name: "another payload than was signed",
      ring: { ...opened.ring, payload: spaced },
      ok: false,
      reason: "signature",
    },
    of("another environment's", payload, { ok: false, reason: "env" }, KEYRING, "prod"),
    of("not canonical, though signed", spaced, { ok: false, reason: "malformed" }),
    of("a member more, though signed", '{"env":"dev","generation":1,"keys":[],"x":1}', {
      ok: false,
      reason: "malformed",
    }),
    {
      ...opened,
      name: "a signature with padding",
      ring: { ...opened.ring, signature: `${opened.ring.signature}==` },
      ok: false,
      reason: "malformed",
    },
  ];
}

function ringBytes(payload: string): Buffer {
  return Buffer.concat([lp("scbe/v1/ring"), lp(payload)]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
