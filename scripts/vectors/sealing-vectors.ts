import { CONTEXT, fixed, heldKey, make } from "./fixed.ts";
import { OTHER_EPOCH, OTHER_KID, RESPONSE_TO_SEAL, sequence } from "./sealing-sequence.ts";

/** The output of sealers with fixed random bytes. */
export function sealedSequences() {
  return [...contents(), ...ends(), ...scopes(), ...places(), ...refusedBetween()];
}

function contents() {
  const seal = {
    content_type: "text/plain",
    schema_hash: `sha256:${fixed("schema", 32).toString("hex")}`,
    ttl: 1,
  };
  return [
    sequence("a request", "Z1 Z2 Z3 Z4 Z5 Z8", [{ session: "a" }]),
    sequence("three requests of a session", "Z2 Z3 Z4", [
      { session: "a" },
      { session: "a", after: 1 },
      { session: "a", after: 59_999 },
    ]),
    sequence("content type, schema hash and ttl, as told", "Z5 Z8", [{ session: "a", seal }]),
    sequence("a window of an hour, and a ttl as long", "Z5", [{ session: "a" }], { window: 3600 }),
    sequence("a body of 4,000 bytes, and one more envelope", "Z14", [
      { session: "a", seal: { body: fixed("a long body", 4000).toString("hex") } },
      { session: "a" },
    ]),
    sequence("an empty body", "Z2", [{ session: "a", seal: { body: "" } }]),
    sequence("a whole response and two chunks", "Z11", [
      { session: "a", seal: RESPONSE_TO_SEAL },
      { session: "a", seal: { ...RESPONSE_TO_SEAL, seq: 0, final: 0 } },
      { session: "a", seal: { ...RESPONSE_TO_SEAL, seq: 1, final: 1, body: "" } },
    ]),
    sequence("a session in the last millisecond of its minute", "Z1", [
      { session: "a", after: 47_654 },
      { session: "a", after: 47_655 },
    ]),
    sequence("a session in the first millisecond of its minute", "Z1", [{ session: "a", after: 47_655 }]),
  ];
}

/** Each way in which a session ends, on both sides of its edge. */
function ends() {
  const bytes = make().bytes.length;
  const at = (after: number, monotonicAfter = after) => ({ after, monotonicAfter });
  const window = { window: 60 };
  return [
    sequence("a counter limit of 2", "Z13", [{ session: "a" }, { session: "a" }, { session: "b" }], {
      counterLimit: 2,
    }),
    sequence(
      "as many bytes as the limit, and no more envelope",
      "Z14",
      [{ session: "a" }, { session: "a" }, { session: "b" }],
      {
        byteLimit: 2 * bytes,
      },
    ),
    sequence(
      "a byte less than the limit, and one more envelope",
      "Z14",
      [{ session: "a" }, { session: "a" }, { session: "a" }, { session: "b" }],
      { byteLimit: 2 * bytes + 1 },
    ),
    sequence(
      "1 ms below the age of the window, and at it",
      "Z15",
      [{ session: "a" }, { session: "a", ...at(59_999) }, { session: "b", ...at(60_000) }],
      window,
    ),
    sequence(
      "the age of the window by the wall clock alone",
      "Z15",
      [{ session: "a" }, { session: "b", ...at(60_000, 59_500) }],
      window,
    ),
    sequence(
      "the age of the window by the monotonic clock alone",
      "Z15",
      [{ session: "a" }, { session: "b", ...at(59_500, 60_000) }],
      window,
    ),
    sequence("the wall clock 1000 ms ahead, and 1001", "Z16", [
      { session: "a" },
      { session: "a", ...at(1000, 0) },
      { session: "b", ...at(1001, 0) },
    ]),
    sequence("the wall clock 1000 ms behind, and 1001", "Z16", [
      { session: "a" },
      { session: "a", ...at(-1000, 0) },
      { session: "b", ...at(-1001, 0) },
    ]),
    sequence("another active kid, and the former one again", "Z17", [
      { session: "a" },
      { session: "b", kid: OTHER_KID },
      { session: "c" },
    ]),
    sequence("another epoch, and the former one again", "Z18", [
      { session: "a" },
      { session: "b", epoch: OTHER_EPOCH },
      { session: "c" },
    ]),
    sequence("another epoch ends no session of responses", "Z18", [
      { session: "a", seal: RESPONSE_TO_SEAL },
      { session: "a", seal: RESPONSE_TO_SEAL, epoch: OTHER_EPOCH },
    ]),
  ];
}

function scopes() {
  const embed = { intent: "embed" };
  return [
    sequence("requests and responses by turns", "Z12", [
      { session: "a" },
      { session: "b", seal: RESPONSE_TO_SEAL },
      { session: "a" },
      { session: "b", seal: RESPONSE_TO_SEAL },
    ]),
    sequence("two intents by turns", "Z12", [
      { session: "a" },
      { session: "b", seal: embed },
      { session: "a" },
    ]),
    sequence(
      "two providers by turns",
      "Z12",
      [{ session: "a" }, { session: "b", seal: { provider: "anthropic" } }, { session: "a" }],
      { keys: [heldKey(), heldKey({ ...CONTEXT, provider: "anthropic" })] },
    ),
    sequence(
      "two places whose names run together alike, by turns",
      "Z12",
      [{ session: "a" }, { session: "b", seal: { provider: "openaic", intent: "hat" } }, { session: "a" }],
      { keys: [heldKey(), heldKey({ ...CONTEXT, provider: "openaic", intent: "hat" })] },
    ),
    sequence("other models, ids and types of one session", "Z12", [
      { session: "a" },
      { session: "a", seal: { model: "gpt-5", request_id: "00000000-0000-0000-0000-000000000000" } },
      { session: "a", seal: { content_type: "text/plain", ttl: 5 } },
      { session: "a" },
    ]),
    sequence("each of the members that may differ within a session, by itself", "Z12", [
      { session: "a", seal: { model: "m" } },
      { session: "a", seal: { model: "m", ttl: 11 } },
      { session: "a", seal: { model: "m1", ttl: 1 } },
      { session: "a", seal: { model: "m", content_type: "text/plain" } },
      { session: "a", seal: { model: "m", schema_hash: `sha256:${"0".repeat(64)}` } },
      { session: "a", seal: { model: "m" } },
    ]),
  ];
}

/** Changes during other sealings that are undone before the next one. */
function places() {
  const embed = { intent: "embed" };
  return [
    sequence("another kid, while another intent seals alone", "Z17", [
      { session: "a" },
      { session: "b", kid: OTHER_KID, seal: embed },
      { session: "a" },
    ]),
    sequence("another kid, while responses are sealed alone", "Z17", [
      { session: "a" },
      { session: "b", kid: OTHER_KID, seal: RESPONSE_TO_SEAL },
      { session: "a" },
    ]),
    sequence("another epoch, while another intent seals alone", "Z18", [
      { session: "a" },
      { session: "b", epoch: OTHER_EPOCH, seal: embed },
      { session: "a" },
    ]),
    sequence("another epoch, while responses are sealed alone", "Z18", [
      { session: "a" },
      { session: "b", epoch: OTHER_EPOCH, seal: RESPONSE_TO_SEAL },
      { session: "a" },
    ]),
    sequence("the clocks part by 1001 ms, while another intent seals alone", "Z16", [
      { session: "a" },
      { session: "b", after: 1001, monotonicAfter: 0, seal: embed },
      { session: "a", after: 2 },
    ]),
    sequence("another epoch ends the session of one intent, and not that of another", "Z18", [
      { session: "a" },
      { session: "b", seal: embed },
      { session: "c", epoch: OTHER_EPOCH },
      { session: "b", seal: embed },
      { session: "d" },
    ]),
    sequence("the same kid, wiped and granted again", "Z17", [
      { session: "a" },
      { session: "b", grantedAgain: true },
      { session: "b" },
    ]),
  ];
}

/** A sealing that is refused, between two of one session. */
function refusedBetween() {
  const model = { reason: "bad_request", seal: { model: "" } };
  const ttl = { reason: "bad_request", seal: { ttl: 301 } };
  return [
    sequence("what is refused spends no counter", "Z2", [{ session: "a" }, model, ttl, { session: "a" }]),
    sequence("what is refused ends no session of another kid", "Z17", [
      { session: "a" },
      { ...model, kid: OTHER_KID },
      { ...ttl, kid: OTHER_KID },
      { session: "a" },
    ]),
    sequence("what is refused ends no session of another epoch", "Z18", [
      { session: "a" },
      { ...model, epoch: OTHER_EPOCH },
      { ...ttl, epoch: OTHER_EPOCH },
      { session: "a" },
    ]),
    sequence("what is refused for want of an epoch ends no session", "Z7 Z18", [
      { session: "a" },
      { reason: "no_epoch", epoch: null },
      { session: "a" },
    ]),
    sequence("what is refused at the end of an age ends no session", "Z15", [
      { session: "a" },
      { ...model, after: 300_000 },
      { session: "a", after: 299_999 },
    ]),
  ];
}
