import { fixed, IKM, MINUTE, sessionIdOf } from "./fixed.ts";
import {
  deriveSession,
  deriveSubkey,
  hkdf,
  type KeyContext,
  lp,
  type Phase,
  SUITE,
  sha256,
} from "./reference.ts";

const OTHER_IKM = fixed("another data key", 32);
const CONTEXTS: readonly (readonly [Buffer, KeyContext])[] = [
  [IKM, { env: "dev", provider: "openai", intent: "chat" }],
  [IKM, { env: "dev", provider: "openai", intent: "embed" }],
  [IKM, { env: "prod", provider: "openai", intent: "chat" }],
  // the concatenations of these two are equal
  [IKM, { env: "dev", provider: "ab", intent: "c" }],
  [IKM, { env: "dev", provider: "a", intent: "bc" }],
  [OTHER_IKM, { env: "staging", provider: "x".repeat(64), intent: "0" }],
];
const SESSIONS: readonly (readonly [Phase, Buffer])[] = [
  ["request", sessionIdOf("one")],
  ["response", sessionIdOf("one")],
  ["request", sessionIdOf("two", MINUTE + 1)],
];

/** From a data key to subkeys, and from subkeys to the keys of sessions. */
export function derivations() {
  return {
    subkeys: CONTEXTS.map(([ikm, context]) => ({
      name: `subkeys of ${Object.values(context).join(", ")}`,
      rules: ["S1", "S2", "S3"],
      ikm: hex(ikm),
      ...context,
      info_k_enc: hex(Buffer.concat(["k_enc", context.env, context.provider, context.intent].map(lp))),
      k_enc: hex(deriveSubkey("k_enc", ikm, context)),
      k_nonce: hex(deriveSubkey("k_nonce", ikm, context)),
      k_log: hex(deriveSubkey("k_log", ikm, context)),
    })),
    sessions: CONTEXTS.slice(0, 2).flatMap(([ikm, context]) =>
      SESSIONS.map(([phase, sessionId]) => session(ikm, context, phase, sessionId)),
    ),
  };
}

function session(ikm: Buffer, context: KeyContext, phase: Phase, sessionId: Buffer) {
  const encKey = deriveSubkey("k_enc", ikm, context);
  const nonceKey = deriveSubkey("k_nonce", ikm, context);
  const { key, commitment, prefix } = deriveSession({ encKey, nonceKey }, phase, sessionId);
  return {
    name: `${phase}, ${Object.values(context).join(", ")}, minute ${sessionId.readUInt32BE()}`,
    rules: ["S4", "S5", "S6"],
    ...context,
    k_enc: hex(encKey),
    k_nonce: hex(nonceKey),
    phase,
    session_id: hex(sessionId),
    info_session: hex(Buffer.concat([lp("session"), lp(SUITE), lp(phase), sessionId])),
    s_key: hex(key),
    commitment: hex(commitment),
    prefix: hex(prefix),
  };
}

/** The noise for received bytes, under the key of one process, and when it may be sent. */
export function noises() {
  const key = fixed("noise key", 32);
  const cases: readonly (readonly [string, Buffer])[] = [
    ["nothing", Buffer.alloc(0)],
    ["one byte", Buffer.alloc(1)],
    ["two bytes", Buffer.alloc(2)],
    ["an envelope's worth of bytes", fixed("received", 700)],
    ["the same bytes again", fixed("received", 700)],
    ["as many other bytes", fixed("received otherwise", 700)],
    ["more bytes than one envelope may have", fixed("received", 9000)],
  ];
  return cases.map(([name, received], index) => ({
    name,
    rules: ["N1", "N2"],
    noise_key: hex(key),
    received: hex(received),
    sha256: hex(sha256(received)),
    arrived_at_ms: 1000 + index,
    noise_floor_ms: 700,
    noise: hex(hkdf(key, "scbe/v1/noise", sha256(received), 512)),
    not_before_ms: 1700 + index,
  }));
}

/** The three times of a deployment, and whether a process starts with them. */
export function waits() {
  const cases = [
    [600, 700, 1000, true],
    [699, 700, 701, true],
    [700, 700, 1000, false],
    [701, 700, 1000, false],
    [600, 1000, 1000, false],
    [600, 1001, 1000, false],
  ] as const;
  return cases.map(([guard_wait_ms, noise_floor_ms, sign_of_life_ms, starts]) => ({
    name: `${guard_wait_ms}, ${noise_floor_ms} and ${sign_of_life_ms} ms`,
    rules: ["N3"],
    guard_wait_ms,
    noise_floor_ms,
    sign_of_life_ms,
    starts,
  }));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
