import { type Making, type Members, make } from "./fixed.ts";
import { extended } from "./refused-bytes.ts";
import { type Case, type RequestSituation, refused, refusedRequests, USUAL_REQUEST } from "./situations.ts";

/** Headers that are not the canonical JSON of an object of version 1. Each is sealed with a valid tag. */
export function refusedHeaders() {
  return [...malformed(), ...notCanonical(), ...otherVersions(), ...otherMembers()];
}

function malformed() {
  return writings("C1", [
    ["a header that is no JSON", () => "hello"],
    ["a header cut short", (text) => text.slice(0, -1)],
    ["a header in single quotes", (text) => text.replaceAll('"', "'")],
    ["a comma behind the last member", (text) => text.replace("}", ",}")],
    ["a comment", (text) => text.replace("}", "/**/}")],
    ["a byte order mark", (text) => Buffer.from(`\ufeff${text}`)],
    ["a control character in a text", (text) => text.replace("application/json", "application\n/json")],
    ["a number with a leading zero", (text) => text.replace('"ttl":300', '"ttl":0300')],
    ["a number with a plus sign", (text) => text.replace('"ttl":300', '"ttl":+300')],
    ["NaN", (text) => text.replace('"ttl":300', '"ttl":NaN')],
    ["two headers", (text) => `${text}${text}`],
    ["a NUL behind the header", (text) => `${text}\0`],
  ]).concat(
    writings("C2", [
      ["a header that is an array", (text) => `[${text}]`],
      ["a header that is null", () => "null"],
      ["a header that is a text", (text) => JSON.stringify(text)],
    ]),
  );
}

function notCanonical() {
  return writings("C3", [
    ["a space between members", (text) => text.replace(",", ", ")],
    ["a space before the header", (text) => ` ${text}`],
    ["a line feed behind the header", (text) => `${text}\n`],
    ["a carriage return and a line feed behind the header", (text) => `${text}\r\n`],
    ["two members in the wrong order", (text) => text.replace(/("ts":\d+),("ttl":\d+)/, "$2,$1")],
    ["a member that stands twice, alike", (text) => text.replace('"v":1', '"v":1,"v":1')],
    ["a member that stands twice, and differs", (text) => text.replace('"v":1', '"v":2,"v":1')],
    [
      "a provider that stands twice",
      (text) => text.replace('"provider":', '"provider":"anthropic","provider":'),
    ],
    ["an escape that is not needed", (text) => text.replace('"kid":"k', '"kid":"\\u006b')],
    ["an escape in a member's name", (text) => text.replace('"kid":', '"\\u006bid":')],
    ["an escaped solidus", (text) => text.replace("application/json", "application\\/json")],
    ["a number with a fraction of zero", (text) => text.replace('"ttl":300', '"ttl":300.0')],
    ["a number with an exponent", (text) => text.replace('"ttl":300', '"ttl":3e2')],
    ["version 1.0", (text) => text.replace('"v":1', '"v":1.0')],
    ["1e400", (text) => text.replace('"ttl":300', '"ttl":1e400')],
    ["minus zero", (text) => text.replace('"ttl":300', '"ttl":-0')],
    [
      "an integer beyond 2^53 that a double cannot hold",
      (text) => text.replace('"ttl":300', '"ttl":9007199254740993'),
    ],
    ["a lone high surrogate", (text) => text.replace('"kid":"k', '"kid":"\\ud800')],
    ["a lone low surrogate", (text) => text.replace('"kid":"k', '"kid":"\\udc00')],
    ["surrogates in the wrong order", (text) => text.replace('"kid":"k', '"kid":"\\udc00\\ud800')],
    ["the name __proto__ out of order", (text) => text.replace("}", ',"__proto__":{}}')],
    ["an empty object with a space", () => "{ }"],
  ]);
}

function otherVersions() {
  const cases: readonly (readonly [string, string, Members])[] = [
    ["version 2", "C4", { v: 2 }],
    ["version 0", "C4", { v: 0 }],
    ["version true", "C4", { v: true }],
    ["a version in quotes", "C4", { v: "1" }],
    ["no version", "C4", { v: undefined }],
    ["another suite", "C5", { suite: "A256GCM-HKDF-SHA256" }],
    ["a suite in small letters", "C5", { suite: "a256gcm-hkdf-sha256-commit32" }],
    ["a suite with a line feed at its end", "C5", { suite: "A256GCM-HKDF-SHA256-COMMIT32\n" }],
    ["an empty suite", "C5", { suite: "" }],
    ["no suite", "C5", { suite: undefined }],
  ];
  return cases.map(([name, rules, members]) => refused(name, rules, make({ members }).bytes, USUAL_REQUEST));
}

/** Canonical headers of version 1 with invalid names or bytes. */
function otherMembers() {
  return [
    ...writings("H20", [
      ["the name __proto__ in its place", (text) => text.replace("{", '{"__proto__":{},')],
      [
        "__proto__ that holds a member",
        (text) => text.replace(/"kid":"[^"]*",/, "").replace("{", '{"__proto__":{"kid":"k"},'),
      ],
      ["a header of 4096 bytes", (text) => extended(text, 4096)],
    ]),
    ...writings("H2", [
      [
        "a content type beyond ASCII",
        (text) => Buffer.from(text.replace("application/json", "application/jsön")),
      ],
      [
        "a content type that is no UTF-8",
        (text) => Buffer.from(text.replace("application/json", "application/js\xff"), "latin1"),
      ],
    ]),
  ];
}

function writings(rules: string, cases: readonly (readonly [string, NonNullable<Making["write"]>])[]) {
  return refusedRequests(
    cases.map(([name, write]): Case<RequestSituation> => [name, rules, make({ write }).bytes]),
  );
}
