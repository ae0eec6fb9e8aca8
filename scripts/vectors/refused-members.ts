import { type Members, make } from "./fixed.ts";
import type { Phase } from "./reference.ts";
import { refused, USUAL_REQUEST, USUAL_RESPONSE } from "./situations.ts";

const MEMBERS = { step: 2, reason: "members" } as const;
const ZEROS = (characters: number) => "A".repeat(characters);

const REQUESTS: readonly (readonly [string, Members])[] = [
  ["a member that is not in the table", { zone: "eu" }],
  ["no epoch in a request", { epoch: undefined }],
  ["no schema_hash", { schema_hash: undefined }],
  ["no replay_nonce", { replay_nonce: undefined }],
  ["in_reply_to in a request", { in_reply_to: ZEROS(43) }],
  ["seq and final in a request", { seq: 0, final: 1 }],
  ["another phase", { phase: "reply" }],
  ["an environment that does not exist", { env: "test" }],
  ["a kid in capitals", { kid: "K1" }],
  ["a kid that begins with a hyphen", { kid: "-k" }],
  ["an empty provider", { provider: "" }],
  ["a provider with a dot", { provider: "open.ai" }],
  ["an intent of 65 characters", { intent: "i".repeat(65) }],
  ["an intent that is a number", { intent: 1 }],
  ["a model with a space", { model: "gpt 5" }],
  ["a model of 129 characters", { model: "m".repeat(129) }],
  ["a request id in capitals", { request_id: "0F8FAD5B-D9CB-469F-A165-70867728950E" }],
  ["a request id without hyphens", { request_id: "0f8fad5bd9cb469fa16570867728950e" }],
  ["a content type with an escaped quote", { content_type: 'text/plain; a="b"' }],
  ["a content type with an escaped backslash", { content_type: "text\\plain" }],
  ["a content type with DEL", { content_type: "text/plain\x7f" }],
  ["an empty content type", { content_type: "" }],
  ["a content type of 129 characters", { content_type: "x".repeat(129) }],
  ["a schema hash in capitals", { schema_hash: `sha256:${"A".repeat(64)}` }],
  ["a schema hash of another function", { schema_hash: `sha512:${"a".repeat(64)}` }],
  ["a time of 12 digits", { ts: 999_999_999_999 }],
  ["a time of 14 digits", { ts: 10_000_000_000_000 }],
  ["a time in quotes", { ts: "1767225612345" }],
  ["a time with a fraction", { ts: 1767225612345.5 }],
  ["a ttl of 0", { ttl: 0 }],
  ["a ttl of 3601", { ttl: 3601 }],
  ["a ttl below 0", { ttl: -1 }],
  ["a ttl that is true", { ttl: true }],
  ["a ttl that is null", { ttl: null }],
  ["a ttl that is an object", { ttl: {} }],
  ["an epoch with padding", { epoch: `${ZEROS(22)}==` }],
  ["an epoch whose unused bits are set", { epoch: `${ZEROS(21)}B` }],
  ["an epoch of 15 bytes", { epoch: ZEROS(20) }],
  ["a session_id with padding", { session_id: `${ZEROS(43)}=` }],
  ["a session_id whose unused bits are set", { session_id: `${ZEROS(42)}B` }],
  ["a commitment whose unused bits are set", { commitment: `${ZEROS(42)}D` }],
  ["a commitment of 31 bytes", { commitment: ZEROS(42) }],
  ["a nonce in the other alphabet of base64", { nonce: `+/${ZEROS(14)}` }],
  ["a nonce of 13 bytes", { nonce: ZEROS(18) }],
  ["a replay_nonce of 23 bytes", { replay_nonce: ZEROS(31) }],
];

const RESPONSES: readonly (readonly [string, Members])[] = [
  ["no in_reply_to in a response", { in_reply_to: undefined }],
  ["an epoch in a response", { epoch: ZEROS(22) }],
  ["in_reply_to with padding", { in_reply_to: `${ZEROS(43)}=` }],
  ["in_reply_to whose unused bits are set", { in_reply_to: `${ZEROS(42)}B` }],
  ["seq without final", { seq: 0 }],
  ["final without seq", { final: 1 }],
  ["a seq below 0", { seq: -1, final: 0 }],
  ["a seq of 2^31", { seq: 2 ** 31, final: 0 }],
  ["a seq with a fraction", { seq: 0.5, final: 0 }],
  ["a final of 2", { seq: 0, final: 2 }],
  ["a final that is false", { seq: 0, final: false }],
];

/** Canonical requests of version 1 with a member that is missing, unknown or of another form; rightly sealed. */
export function requestsOfOtherMembers() {
  return REQUESTS.map(([name, members]) => refused(name, MEMBERS, seal("request", members), USUAL_REQUEST));
}

export function responsesOfOtherMembers() {
  return RESPONSES.map(([name, members]) =>
    refused(name, MEMBERS, seal("response", members), USUAL_RESPONSE),
  );
}

function seal(phase: Phase, members: Members): Uint8Array {
  return make({ phase, members }).bytes;
}
