import { CONTEXT, EPOCH, heldKey, KID, REQUEST_ID, TS } from "./fixed.ts";
import { base64url } from "./reference.ts";
import { RESPONSE_TO_SEAL, SEALING_KEYS, type Sealing, TO_SEAL } from "./sealing-sequence.ts";
import { type Rules, ruleList } from "./situations.ts";

const RESERVED = { ...CONTEXT, intent: "scbe-opening-token" } as const;

/** What a sealer must refuse; the reason is the first that it finds. */
export function refusedSealings() {
  const of = (name: string, rules: Rules, reason: string, seal: object, special: object = {}) => ({
    name,
    rules: ruleList(rules),
    window_seconds: 300,
    keys: SEALING_KEYS,
    active: KID,
    epoch: EPOCH.toString("hex") as string | null,
    permitted: true,
    now: TS,
    seal: { ...TO_SEAL, ...seal },
    ...special,
    reason,
  });
  const ill = (name: string, seal: object) => of(name, "Z8", "bad_request", seal);
  const chunk = (seq: unknown, final: unknown) => ({ ...RESPONSE_TO_SEAL, seq, final });
  return [
    of("a ttl above the window", "Z5", "bad_request", { ttl: 301 }),
    of(
      "a ttl of 3601 where the window is longer",
      "Z8",
      "bad_request",
      { ttl: 3601 },
      { window_seconds: 3601 },
    ),
    ill("a ttl of 0", { ttl: 0 }),
    ill("a ttl below 0", { ttl: -1 }),
    ill("a ttl with a fraction", { ttl: 1.5 }),
    of("no active key", "Z6", "no_keys", {}, { keys: [] }),
    of("no active key of this intent", "Z6", "no_keys", { intent: "tools" }),
    of("no epoch", "Z7", "no_epoch", {}, { epoch: null }),
    of("not permitted", "Z10", "switched_off", {}, { permitted: false }),
    of("a response that is not permitted", "Z10", "switched_off", RESPONSE_TO_SEAL, { permitted: false }),
    of(
      "a reserved intent, though its keys are held",
      "Z9",
      "bad_request",
      { intent: RESERVED.intent },
      { keys: [heldKey(RESERVED)] },
    ),
    ill("an empty model", { model: "" }),
    ill("a model of 129 characters", { model: "m".repeat(129) }),
    ill("a model with a line feed at its end", { model: "gpt-5\n" }),
    ill("a model with a quote", { model: 'gpt"5' }),
    ill("a request id in capitals", { request_id: REQUEST_ID.toUpperCase() }),
    ill("a request id with a line feed at its end", { request_id: `${REQUEST_ID}\n` }),
    ill("an empty content type", { content_type: "" }),
    ill("a content type with a quote", { content_type: 'text/plain; a="b"' }),
    ill("a content type with a backslash", { content_type: "text\\plain" }),
    ill("a content type of 129 characters", { content_type: "x".repeat(129) }),
    ill("a content type with a line feed at its end", { content_type: "text/plain\n" }),
    ill("an empty schema hash", { schema_hash: "" }),
    ill("a schema hash in capitals", { schema_hash: `sha256:${"A".repeat(64)}` }),
    ill("a schema hash with a line feed at its end", { schema_hash: "none\n" }),
    ill("a seq below 0", chunk(-1, 0)),
    ill("a seq of 2^31", chunk(2 ** 31, 0)),
    ill("a seq with a fraction", chunk(0.5, 0)),
    ill("a final of 2", chunk(0, 2)),
    ill("the hash of a request of 31 bytes", {
      ...RESPONSE_TO_SEAL,
      in_reply_to: base64url(Buffer.alloc(31)),
    }),
    of("a kid in capitals", "Z8", "bad_request", {}, { keys: [heldKey(CONTEXT, "K1")], active: "K1" }),
    of("an epoch of 15 bytes", "Z8", "bad_request", {}, { epoch: "00".repeat(15) }),
    ...(["env", "provider", "intent"] as const).map((name) => {
      const context = { ...CONTEXT, [name]: "DEV" };
      const { provider, intent } = context;
      const held = { keys: [heldKey(context)] };
      return of(
        `an ${name} in capitals, though its keys are held`,
        "Z8",
        "bad_request",
        { provider, intent },
        held,
      );
    }),
    of("a clock before 10^12 ms", "Z8", "bad_request", {}, { now: 10 ** 12 - 1 }),
    of("a clock before 1970", "Z8", "bad_request", {}, { now: -1 }),
    of("a clock at 10^13 ms", "Z8", "bad_request", {}, { now: 10 ** 13 }),
    of("a clock far from now", "Z8", "bad_request", {}, { now: 9e15 }),
    ...wrongTwice().map(({ name, rules, reason, seal, special }) => of(name, rules, reason, seal, special)),
  ];
}

/** One error, of the input or of the sealer. */
interface Wrong {
  readonly rule: string;
  readonly name: string;
  readonly reason: string;
  readonly seal?: Partial<Sealing>;
  readonly special?: object;
}

/** Every possible pair with different reasons: the first one gives the reason. */
function wrongTwice() {
  const reserved = { intent: RESERVED.intent };
  const keys = [heldKey(RESERVED)];
  const before: readonly Wrong[] = [
    { rule: "Z10", name: "not permitted", reason: "switched_off", special: { permitted: false } },
    { rule: "Z9", name: "a reserved intent", reason: "bad_request", seal: reserved, special: { keys } },
    { rule: "Z6", name: "no active key", reason: "no_keys", special: { keys: [] } },
    { rule: "Z7", name: "no epoch", reason: "no_epoch", special: { epoch: null } },
    { rule: "Z5", name: "a ttl above the window", reason: "bad_request", seal: { ttl: 301 } },
    { rule: "Z8", name: "a ttl of 0", reason: "bad_request", seal: { ttl: 0 } },
    { rule: "Z8", name: "an empty model", reason: "bad_request", seal: { model: "" } },
    { rule: "Z8", name: "an empty request id", reason: "bad_request", seal: { request_id: "" } },
    { rule: "Z8", name: "an empty content type", reason: "bad_request", seal: { content_type: "" } },
    { rule: "Z8", name: "an empty schema hash", reason: "bad_request", seal: { schema_hash: "" } },
    { rule: "Z8", name: "a clock before 1970", reason: "bad_request", special: { now: -1 } },
  ];
  const requests = before.flatMap((first, index) =>
    before
      .slice(index + 1)
      .filter(({ reason }) => reason !== first.reason)
      .map((second) => both(first, second)),
  );
  const ofResponses: readonly Wrong[] = [
    { rule: "Z5", name: "a response of a ttl above the window", reason: "bad_request", seal: { ttl: 301 } },
    {
      rule: "Z8",
      name: "the hash of a request of 0 bytes",
      reason: "bad_request",
      seal: { in_reply_to: "" },
    },
    { rule: "Z8", name: "a seq below 0", reason: "bad_request", seal: { seq: -1, final: 0 } },
  ];
  const responses = before
    .filter(({ rule }) => rule === "Z10" || rule === "Z6")
    .flatMap((first) =>
      ofResponses.map((second) => both(first, { ...second, seal: { ...RESPONSE_TO_SEAL, ...second.seal } })),
    );
  return [...requests, ...responses];
}

/** Without any key if that is one of the two errors. */
function both(first: Wrong, second: Wrong) {
  return {
    name: `order: ${first.name}, and ${second.name}`,
    rules: `${first.rule} ${second.rule}`,
    reason: first.reason,
    seal: { ...first.seal, ...second.seal },
    special: { ...first.special, ...second.special },
  };
}
