import {
  ACCENT,
  AUDIT,
  audit,
  bad,
  DIGEST,
  EMOJI,
  everyCharacter,
  FLAG,
  flag,
  good,
  kill,
  MAX,
  ofLength,
  WINDOW,
  window,
} from "./control-forms.ts";
import {
  type Change,
  choosing,
  each,
  flagging,
  type Json,
  type JsonObject,
  KILL,
  killing,
  names,
  SOFT,
  stateOf,
} from "./control-reference.ts";
import { TS } from "./fixed.ts";

/** Documents with members at the edge of their ranges. */
export function accepted(): object[] {
  return [
    good("CD1 CD4 CD5 CD6 CM1", "nothing is off", {}),
    good("CM6 CM7 CM19 CM22", "every member that may be absent, and a window", {
      ...{ after: TS - 1, after_digest: DIGEST, audit: AUDIT, skew_window: WINDOW },
    }),
    good("CM4", "generation 1", { generation: 1 }),
    good("CM4", "generation 9e15", { generation: MAX }),
    good("CM5", "issued at 0", { issued_at: 0 }),
    good("CM5", "issued at 9e15", { issued_at: MAX }),
    good("CM6", "after 0", { after: 0 }),
    good("CM6", "after 9e15", { after: MAX }),
    good("CM7", "after_digest without after", { after_digest: DIGEST }),
    ...everyCharacter(43, "AEIMQUYcgkosw048").map((after_digest) =>
      good("CM7", `after_digest that ends in ${after_digest.slice(-1)}`, { after_digest }),
    ),
    good("CM10", "kills of 64 providers", killing(null, each(names(64), KILL))),
    good("CM13", "flags of 64 providers", flagging(true, each(names(64), FLAG))),
    good("CM16", "a share of 0", flag({ traffic_percentage: 0 })),
    good("CM16", "a share of 100", flag({ traffic_percentage: 100 })),
    good("CM18", "fallback for availability", choosing("availability")),
    good("CM18", "fallback for flags", choosing("flags")),
    good("CM18", "fallback for both", choosing("availability", "flags")),
    good("CM20", "audit.seq 1", audit({ seq: 1 })),
    good("CM20", "audit.seq 9e15", audit({ seq: MAX })),
    good("CM23", "a window of 1 second", window({ seconds: 1 })),
    good("CM23", "a window of 600 seconds", window({ seconds: 600 })),
    good("CM24", "a window until 0", window({ until: 0 })),
    good("CM24", "a window until 9e15", window({ until: MAX })),
    good("CM25", "a window's reason of 500 characters", window({ reason: "r".repeat(500) })),
    good("CM28", "a kill's reason of 500 characters", kill({ reason: "r".repeat(500) })),
    good(
      "CM28",
      "a kill's reason of 500 code points of two UTF-16 units",
      kill({ reason: EMOJI.repeat(500) }),
    ),
    good(
      "CM28",
      "a kill's reason of 250 letters with an accent of its own",
      kill({ reason: ACCENT.repeat(250) }),
    ),
    good(
      "CM25",
      "a window's reason of 500 code points of two UTF-16 units",
      window({ reason: EMOJI.repeat(500) }),
    ),
    good("CM29", "by of 128 code points of two UTF-16 units", kill({ by: EMOJI.repeat(128) })),
    good("CM29", "by of 128 characters", kill({ by: "b".repeat(128) })),
    good("CM32", "U+0000 in by, and in a window's reason", {
      ...kill({ by: "\0" }),
      ...window({ reason: "\0" }),
    }),
    good("CM32", "a window's reason that is empty", window({ reason: "" })),
    good("CM32", "empty texts", kill({ reason: "", by: "" })),
    good(
      "CM32",
      "U+0000, a line feed, U+FFFF and U+10FFFF in a text",
      kill({ reason: "\0\n\uffff\u{10ffff}" }),
    ),
    good("CM30", "since 0", kill({ since: 0 })),
    good("CM30", "since 9e15", kill({ since: MAX })),
    good(
      "CM31",
      "names of 1 and of 64 characters",
      killing(null, { 0: KILL, [`a${"-_z9".repeat(16)}`.slice(0, 64)]: KILL }),
    ),
    good("CM31", "a name that every object has in JavaScript", killing(null, { constructor: KILL })),
    good("CD3", "a payload of 32,768 characters", ofLength(32_768)),
    good("CD3", "a payload of 32,768 code points, most of two UTF-16 units", ofLength(32_768, EMOJI)),
  ];
}

/** Documents with one invalid member. */
export function refusedMembers(): object[] {
  const whole = (rule: string, what: string, set: (value: Json) => Change, max = MAX, min = 0) => [
    bad(rule, `${what} ${min - 1}`, set(min - 1)),
    bad(rule, `${what} ${max} and 1`, set(max + 1)),
    bad(rule, `${what} that is no integer`, set(min + 0.5)),
    bad(rule, `${what} as a text`, set(String(min))),
    bad(rule, `${what} null`, set(null)),
  ];
  const digest = (rule: string, what: string, set: (value: Json) => Change) => [
    bad(rule, `${what} of 42 characters`, set(DIGEST.slice(1))),
    bad(rule, `${what} of 44 characters`, set(`${DIGEST}A`)),
    bad(rule, `${what} with padding`, set(`${DIGEST}=`)),
    bad(rule, `${what} whose last bits are not zero`, set(`${DIGEST.slice(0, 42)}B`)),
    bad(rule, `${what} with a character of base64`, set(`+${DIGEST.slice(1)}`)),
    bad(rule, `${what} with a line feed at its end`, set(`${DIGEST}\n`)),
    bad(rule, `${what} null`, set(null)),
  ];
  const text = (rule: string, what: string, max: number, set: (value: Json) => Change) => [
    bad(rule, `${what} of ${max + 1} characters`, set("r".repeat(max + 1))),
    bad(rule, `${what} of ${max + 1} code points of two UTF-16 units`, set(EMOJI.repeat(max + 1))),
    bad(rule, `${what} of ${max / 2 + 1} letters with an accent of its own`, set(ACCENT.repeat(max / 2 + 1))),
    bad(rule, `${what} null`, set(null)),
    bad(rule, `${what} as a number`, set(7)),
  ];
  const exact = (rule: string, what: string, members: JsonObject, set: (value: JsonObject) => Change) => [
    bad(rule, `${what} with a member more`, set({ ...members, more: 1 })),
    ...Object.keys(members).map((name) => {
      const { [name]: _, ...rest } = members;
      return bad(rule, `${what} without ${name}`, set(rest));
    }),
  ];
  const bool = (rule: string, what: string, set: (value: Json) => Change) =>
    [1, "true", null].map((value) => bad(rule, `${what} ${JSON.stringify(value)}`, set(value)));
  const required = Object.keys(stateOf());
  return [
    bad("CM1", "a member more", { more: null }),
    ...required.map((name) => bad("CM1", `without ${name}`, { [name]: undefined })),
    bad("CM1", "a member's name in another case", { env: undefined, Env: "dev" }),
    bad("CM2", "v 2", { v: 2 }),
    bad("CM2", "v as a text", { v: "1" }),
    bad("CM3", "another environment's name", { env: "test" }),
    bad("CM3", "env in upper case", { env: "DEV" }),
    bad("CM3", "env with a line feed at its end", { env: "dev\n" }),
    ...whole("CM4", "generation", (generation) => ({ generation }), MAX, 1),
    bad("CM4", "generation 2^53 - 1", { generation: 2 ** 53 - 1 }),
    ...whole("CM5", "issued_at", (issued_at) => ({ issued_at })),
    ...whole("CM6", "after", (after) => ({ after })),
    ...digest("CM7", "after_digest", (after_digest) => ({ after_digest })),
    ...exact("CM8", "kill_switch", { all: null, providers: {} }, (kill_switch) => ({ kill_switch })),
    bad("CM8", "kill_switch null", { kill_switch: null }),
    bad("CM2", "v null", { v: null }),
    bad("CM3", "env null", { env: null }),
    bad("CM7", "after_digest that ends in a, which is A in lower case", {
      after_digest: `${DIGEST.slice(0, -1)}a`,
    }),
    bad("CM9", "a kill of everything that is false", killing(false)),
    bad("CM10", "kills of providers null", { kill_switch: { all: null, providers: null } }),
    bad("CM11", "the flags null", { scbe_envelope_verification: null }),
    bad("CM13", "flags of providers null", {
      scbe_envelope_verification: { enabled: true, providers: null },
    }),
    bad("CM18", "causes null", { fallback: { causes: null } }),
    bad("CM9", "a kill of everything that is empty", killing({})),
    bad("CM10", "kills of 65 providers", killing(null, each(names(65), KILL))),
    bad("CM10", "the kill of a provider null", killing(null, { openai: null })),
    bad("CM10", "kills as an array", { kill_switch: { all: null, providers: [] } }),
    ...exact("CM11", "the flags", { enabled: true, providers: {} }, (it) => ({
      scbe_envelope_verification: it,
    })),
    ...bool("CM12", "enabled of all", (enabled) => ({
      scbe_envelope_verification: { enabled, providers: {} },
    })),
    bad("CM13", "flags of 65 providers", flagging(true, each(names(65), FLAG))),
    bad("CM13", "the flag of a provider true", flagging(true, { openai: true })),
    ...exact("CM14", "a flag", FLAG, (it) => flagging(true, { openai: it })),
    ...bool("CM15", "enabled of a provider", (enabled) => flag({ enabled })),
    ...whole("CM16", "a share", (traffic_percentage) => flag({ traffic_percentage }), 100),
    ...exact("CM17", "fallback", { causes: [] }, (fallback) => ({ fallback })),
    bad("CM17", "fallback null", { fallback: null }),
    ...[
      ["integrity"],
      ["availability", "integrity"],
      ["flags", "availability"],
      ["flags", "flags"],
      [""],
    ].map((causes) => bad("CM18", `fallback for ${JSON.stringify(causes)}`, choosing(...causes))),
    bad("CM18", "causes as a text", { fallback: { causes: "flags" } }),
    ...exact("CM19", "audit", AUDIT, (it) => ({ audit: it })),
    bad("CM19", "audit null", { audit: null }),
    ...whole("CM20", "audit.seq", (seq) => audit({ seq }), MAX, 1),
    ...digest("CM21", "audit.hash", (hash) => audit({ hash })),
    ...exact("CM22", "skew_window", WINDOW, (skew_window) => ({ skew_window })),
    bad("CM22", "skew_window false", { skew_window: false }),
    ...whole("CM23", "seconds", (seconds) => window({ seconds }), 600, 1),
    ...whole("CM24", "until", (until) => window({ until })),
    ...text("CM25", "a window's reason", 500, (reason) => window({ reason })),
    ...exact("CM26", "a kill", KILL, (it) => killing(it)),
    bad("CM26", "a kill for integrity with the mode fallback", kill({ mode: "fallback" })),
    bad("CM26", "a provider's kill with a mode", killing(null, { openai: { ...SOFT, mode: "disabled" } })),
    ...["flags", "Integrity", "", null].map((cause) =>
      bad("CM27", `cause ${JSON.stringify(cause)}`, kill({ cause })),
    ),
    ...text("CM28", "a kill's reason", 500, (reason) => kill({ reason })),
    ...text("CM29", "by", 128, (by) => kill({ by })),
    ...whole("CM30", "since", (since) => kill({ since })),
    ...["", "a".repeat(65), "-a", "_a", "A", "a.b", "a\n", "ä", "__proto__"].flatMap((name) => [
      bad("CM31", `a kill of the provider ${JSON.stringify(name)}`, killing(null, { [name]: KILL })),
      bad("CM31", `a flag of the provider ${JSON.stringify(name)}`, flagging(true, { [name]: FLAG })),
    ]),
  ];
}
