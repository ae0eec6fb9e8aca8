import { canonical, otherTexts } from "./canonical.ts";
import { fixed } from "./fixed.ts";
import { ask, ORCHESTRATOR } from "./grant-parties.ts";
import { x25519Pair } from "./hpke.ts";
import { encodeNkey } from "./nkey.ts";
import { type Asked, from, type Refused, SITUATION } from "./question-situation.ts";
import { firstShowing, otherSpellings } from "./spellings.ts";

/** The rule of each member. */
const RULES = {
  ...{ v: "GQ1", env: "GQ2", provider: "GQ3", intent: "GQ4", kid: "GQ5", asker: "GQ6" },
  ...{ public_key: "GQ7", signature: "GQ8" },
};

/** Grant requests with an invalid form only: correctly signed, and permitted by a keyring that ignores the form. */
export function malformedQuestions(): readonly Refused[] {
  const of = (rule: string, name: string, asked: Asked): Refused => {
    return { name, rules: [rule], asked, code: "BAD_REQUEST", reason: "malformed" };
  };
  /** The keyring knows the same invalid names, so that only the form is wrong. */
  const odd = (rule: string, member: "provider" | "intent" | "kid", name: string, value: string) => {
    const { orchestrator } = SITUATION.users;
    const key = { kid: value, state: "active", not_after: null };
    const situation = {
      provider: {
        providers: [value],
        users: { orchestrator: { ...orchestrator, providers: [value] } },
        ...from("orchestrator", value),
      },
      intent: { intents: [value] },
      kid: { ring: { generation: 7, keys: [key] } },
    }[member];
    return of(rule, `${member}: ${name}`, { facts: { [member]: value }, situation });
  };
  const member = (rule: string, name: string, change: Readonly<Record<string, unknown>>) =>
    of(rule, name, { write: () => canonical({ ...ask().question, ...change }) });
  const { publicKey, raw } = ORCHESTRATOR;
  const shown = firstShowing(
    (n) => ask({ publicKey: x25519Pair(fixed(`x25519 ${n}`, 32)).publicBytes }),
    ({ publicKey: key, signature }) => [key, signature],
  );
  const spelled = (name: "public_key" | "signature", text: string) =>
    canonical({ ...shown.question, [name]: text });
  const wrongChecksum = encodeNkey(raw, undefined, (bytes) => bytes.writeUInt8(bytes.readUInt8(33) ^ 1, 33));
  return [
    ...otherTexts(ask().message).map(([name, text]) =>
      of("GQ9", `the message: ${name}`, { write: () => text }),
    ),
    of("GQ9", "the message: empty", { write: () => "" }),
    of("GQ9", "the message: a text", { write: (text) => JSON.stringify(text) }),
    of("GQ9", "the message: an array", { write: (text) => `[${text}]` }),
    member("GQ9", "a member more", { w: 1 }),
    member("GQ9", "a member named __proto__", JSON.parse('{"__proto__":1}')),
    ...Object.entries(RULES).flatMap(([name, rule]) => [
      member(rule, `${name}: absent`, { [name]: undefined }),
      member(rule, `${name}: null`, { [name]: null }),
    ]),
    member("GQ1", "v: 2", { v: 2 }),
    member("GQ1", "v: a text", { v: "1" }),
    of("GQ2", "env: unknown, though the keyring's", { facts: { env: "test" }, situation: { env: "test" } }),
    of("GQ2", "env: upper case, though the keyring's", { facts: { env: "DEV" }, situation: { env: "DEV" } }),
    ...(["provider", "intent", "kid"] as const).flatMap((name, at) => {
      const rule = `GQ${3 + at}`;
      return [
        odd(rule, name, "65 characters", `a${"b".repeat(64)}`),
        odd(rule, name, "an upper-case character", "aB"),
        odd(rule, name, "begins with a hyphen", "-a"),
        odd(rule, name, "begins with an underscore", "_a"),
        odd(rule, name, "a dot", "a.b"),
        odd(rule, name, "a line feed at its end", "a\n"),
        odd(rule, name, "a letter beyond ASCII", "\u00e4"),
        ...(name === "kid" ? [] : [odd(rule, name, "empty", "")]),
      ];
    }),
    of("GQ6", "asker: the checksum is wrong", spoilt(wrongChecksum)),
    of("GQ6", "asker: lower case", spoilt(publicKey.toLowerCase())),
    of("GQ6", "asker: the prefix 0xA1", spoilt(encodeNkey(raw, 0xa1))),
    of("GQ6", "asker: a character more", spoilt(`${publicKey}A`)),
    ...otherSpellings(shown.publicKey).map(([name, text]) =>
      of("GQ7", `public_key: ${name}`, { write: () => spelled("public_key", text) }),
    ),
    of("GQ7", "public_key: 31 bytes", { facts: { publicKey: fixed("short", 31) } }),
    of("GQ7", "public_key: 33 bytes", { facts: { publicKey: fixed("long", 33) } }),
    of("GQ7", "public_key: empty", { facts: { publicKey: new Uint8Array(0) } }),
    ...otherSpellings(shown.signature).map(([name, text]) =>
      of("GQ8", `signature: ${name}`, { write: () => spelled("signature", text) }),
    ),
    member("GQ8", "signature: 63 bytes", { signature: ask().signature.subarray(1).toString("base64url") }),
    member("GQ8", "signature: 65 bytes", {
      signature: Buffer.concat([ask().signature, Buffer.of(0)]).toString("base64url"),
    }),
    member("GQ8", "signature: empty", { signature: "" }),
  ];
}

/** An nkey of another form, which the keyring has in its list, and which signs the request. */
function spoilt(nkey: string): Asked {
  const { orchestrator } = SITUATION.users;
  return { facts: { asker: nkey }, situation: { users: { orchestrator: { ...orchestrator, nkey } } } };
}
