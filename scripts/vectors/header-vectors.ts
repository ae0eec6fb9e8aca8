import { fixed } from "./fixed.ts";
import { TEXT_FORMS } from "./member-forms.ts";
import { edgesOf } from "./pattern-edges.ts";
import { base64url } from "./reference.ts";

const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const HASH = base64url(fixed("hash of some request", 32));
const NAME_MAX = "a".repeat(64);

/** Header blocks, and the value of a header in them. */
export function headers() {
  const one = (name: string, rule: string, lines: string, value: string | null, header = "scbe-model") => ({
    ...{ name, rules: [rule], block: `NATS/1.0\r\n${lines}\r\n`, header, value },
  });
  return [
    one("a header", "WS4", "scbe-model:gpt-5\r\n", "gpt-5"),
    one("one of several", "WS4", "a:b\r\nscbe-model:gpt-5\r\nc:d\r\n", "gpt-5"),
    one("none", "WS4", "", null),
    one("another one", "WS4", "scbe-intent:chat\r\n", null),
    one("in capitals", "WS4", "SCBE-MODEL:gpt-5\r\n", null),
    one("with capitals as many libraries write them", "WS4", "Scbe-Model:gpt-5\r\n", null),
    one("with a space before the colon", "WS4", "scbe-model :gpt-5\r\n", null),
    one("with a space before the name", "WS4", " scbe-model:gpt-5\r\n", null),
    one("whose name only ends like it", "WS4", "x-scbe-model:gpt-5\r\n", null),
    one("whose name only begins like it", "WS4", "scbe-models:gpt-5\r\n", null),
    one("in another header's value", "WS4", "a:scbe-model:gpt-5\r\n", null),
    one("behind a line feed alone", "WS4", "a:b\nscbe-model:gpt-5\r\n", null),
    one(
      "of another spelling before the right one",
      "WS4",
      "Scbe-Model:gpt-4\r\nscbe-model:gpt-5\r\n",
      "gpt-5",
    ),
    one("an error's, with capitals", "WS4", "Nats-Service-Error:away\r\n", "away", "Nats-Service-Error"),
    one("an error's, without capitals", "WS4", "nats-service-error:away\r\n", null, "Nats-Service-Error"),
    one("twice", "WS5", "scbe-model:gpt-5\r\nscbe-model:gpt-4\r\n", "gpt-5"),
    one("twice, the first empty", "WS5", "scbe-model:\r\nscbe-model:gpt-5\r\n", ""),
    one("with a space behind the colon", "WS6", "scbe-model: gpt-5\r\n", "gpt-5"),
    one("with spaces and tabs around it", "WS6", "scbe-model: \t gpt-5\t \r\n", "gpt-5"),
    one("with a space in it", "WS6", "scbe-model:gpt 5\r\n", "gpt 5"),
    one("with a colon in it", "WS6", "scbe-model:a:b\r\n", "a:b"),
    one("that is empty", "WS6", "scbe-model:\r\n", ""),
    one("of spaces alone", "WS6", "scbe-model:  \r\n", ""),
    one("with a no-break space before it", "WS6", "scbe-model:\u00a0gpt-5\r\n", "\u00a0gpt-5"),
    one("with a no-break space behind it", "WS6", "scbe-model:gpt-5\u00a0\r\n", "gpt-5\u00a0"),
    one("with a line feed before it", "WS6", "scbe-model:\ngpt-5\r\n", "\ngpt-5"),
    one("with a form feed behind it", "WS6", "scbe-model:gpt-5\f\r\n", "gpt-5\f"),
    one("behind the end of the block", "WS17", "a:b\r\n\r\nscbe-model:gpt-5\r\n", null),
    { ...one("the last one before the end", "WS17", "scbe-model:gpt-5\r\n", "gpt-5") },
    { ...one("in a block of no version", "WS16", "", null), block: "\r\nscbe-model:gpt-5\r\n\r\n" },
    {
      ...one("in a block of another version", "WS16", "", null),
      block: "NATS/2.0\r\nscbe-model:gpt-5\r\n\r\n",
    },
    {
      ...one("in a block with a status", "WS16", "", "gpt-5"),
      block: "NATS/1.0 100\r\nscbe-model:gpt-5\r\n\r\n",
    },
    one("with a byte order mark before it", "WS6", "scbe-model:\ufeffgpt-5\r\n", "\ufeffgpt-5"),
  ];
}

/** The headers whose form is that of a text member of an envelope's header. */
const PARAMETERS = {
  "scbe-model": "model",
  "scbe-intent": "intent",
  "scbe-request-id": "request_id",
  "scbe-content-type": "content_type",
  "scbe-schema-hash": "schema_hash",
  "scbe-in-reply-to": "in_reply_to",
};

/** Values of parameters. */
export function forms() {
  const of = (header: string, values: Readonly<Record<string, string>>, ok: boolean) =>
    Object.entries(values).map(([what, value]) => ({
      ...{ name: `${header}: ${what}`, rules: ["WS7"], header, value, ok },
    }));
  const edges = Object.entries(PARAMETERS).flatMap(([header, member]) =>
    edgesOf(TEXT_FORMS[member]?.places ?? []).flatMap(({ what, value, ok }) =>
      of(header, { [`edge, ${what}`]: value }, ok),
    ),
  );
  const sha = `sha256:${"0a".repeat(32)}`;
  return [
    ...edges,
    ...of(
      "scbe-model",
      { "all characters": "Aa0._:/@+-", "one character": "-", "128 characters": "m".repeat(128) },
      true,
    ),
    ...of(
      "scbe-model",
      { empty: "", "129 characters": "m".repeat(129), "a space": "gpt 5", "a line feed": "gpt-5\n" },
      false,
    ),
    ...of("scbe-model", { "beyond ASCII": "gpt-é", "a comma": "a,b" }, false),
    ...of("scbe-intent", { "a name": "chat", "64 characters": NAME_MAX, "a digit first": "0-_" }, true),
    ...of(
      "scbe-intent",
      { empty: "", "65 characters": `${NAME_MAX}a`, capitals: "Chat", "- first": "-a" },
      false,
    ),
    ...of("scbe-intent", { "_ first": "_a", "a dot": "a.b", "a line feed": "chat\n" }, false),
    ...of(
      "scbe-request-id",
      { "a UUID": UUID, "of no version": "00000000-0000-0000-0000-000000000000" },
      true,
    ),
    ...of("scbe-request-id", { empty: "", capitals: UUID.toUpperCase(), braces: `{${UUID}}` }, false),
    ...of("scbe-request-id", { "without -": UUID.replaceAll("-", ""), "a line feed": `${UUID}\n` }, false),
    ...of("scbe-request-id", { "a digit too few": UUID.slice(1), "a URN": `urn:uuid:${UUID}` }, false),
    ...of("scbe-request-id", { "a group too few": UUID.replace(/-[0-9a-f]{4}/, "") }, false),
    ...of("scbe-request-id", { "a group too many": UUID.replace(/(-[0-9a-f]{4})/, "$1$1") }, false),
    ...of("scbe-in-reply-to", { "32 bytes": HASH, zeros: "A".repeat(43) }, true),
    ...of("scbe-in-reply-to", { empty: "", padding: `${HASH}=`, "31 bytes": HASH.slice(0, 42) }, false),
    ...of(
      "scbe-in-reply-to",
      { "unused bits": `${"A".repeat(42)}B`, "the other alphabet": `${"+".repeat(42)}A` },
      false,
    ),
    ...of(
      "scbe-content-type",
      { "with parameters": "text/plain; charset=utf-8", "128 characters": "t".repeat(128) },
      true,
    ),
    ...of(
      "scbe-content-type",
      { empty: "", "129 characters": "t".repeat(129), "a quote": 'a"b', "a backslash": "a\\b" },
      false,
    ),
    ...of(
      "scbe-content-type",
      { "beyond ASCII": "é", "a tab": "a\tb", "U+007F": "\u007f", "a line feed": "a/b\n" },
      false,
    ),
    ...of("scbe-schema-hash", { none: "none", "a hash": sha }, true),
    ...of(
      "scbe-schema-hash",
      { empty: "", capitals: sha.toUpperCase(), None: "None", "63 digits": sha.slice(0, -1) },
      false,
    ),
    ...of(
      "scbe-schema-hash",
      { "65 digits": `${sha}0`, "no prefix": sha.slice(7), "a line feed": "none\n" },
      false,
    ),
    ...of(
      "scbe-schema-hash",
      { "capital digits": `sha256:${"0A".repeat(32)}`, "a capital prefix": sha.replace("s", "S") },
      false,
    ),
    ...of(
      "scbe-request-id",
      {
        "a capital in its first group": UUID.replace("f8", "F8"),
        "a capital in its last group": UUID.replace("e", "E"),
      },
      false,
    ),
    ...of("scbe-ttl-seconds", { "1": "1", "four digits": "9999" }, true),
    ...of("scbe-ttl-seconds", { empty: "", "0": "0", "a leading zero": "01", "five digits": "10000" }, false),
    ...of(
      "scbe-ttl-seconds",
      { "a fraction": "1.5", "a sign": "+1", "a line feed": "1\n", "other digits": "\u0661" },
      false,
    ),
  ];
}

/** What `scbe-timeout-ms` makes of the receiver's maximum. */
export function timeouts() {
  const one = (name: string, rule: string, value: string | null, ms: number, max = 120_000) => ({
    ...{ name, rules: [rule], value, max, ms },
  });
  return [
    one("absent", "WS8", null, 120_000),
    one("1 digit", "WS8", "1", 1),
    one("9 digits", "WS8", "999999999", 999_999_999, 2_000_000_000),
    one("10 digits", "WS8", "1000000000", 2_000_000_000, 2_000_000_000),
    one("10 digits with a leading zero", "WS8", "0000000005", 120_000),
    one("leading zeros", "WS8", "000000005", 5),
    one("empty", "WS8", "", 120_000),
    one("a sign", "WS8", "-1", 120_000),
    one("a plus", "WS8", "+5", 120_000),
    one("a fraction", "WS8", "1.5", 120_000),
    one("an exponent", "WS8", "1e3", 120_000),
    one("hexadecimal", "WS8", "0x10", 120_000),
    one("a space in it", "WS8", "1 0", 120_000),
    one("a unit", "WS8", "5ms", 120_000),
    one("a line feed at its end", "WS8", "5\n", 120_000),
    one("other digits", "WS8", "\u0665", 120_000),
    one("0", "WS9", "0", 0),
    one("1 below the maximum", "WS9", "119999", 119_999),
    one("the maximum", "WS9", "120000", 120_000),
    one("above the maximum", "WS9", "120001", 120_000),
  ];
}
