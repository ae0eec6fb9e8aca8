import { NAME_PATTERN } from "./names.ts";

/**
 * The base of every subject of version 1; {@link subjectOf} adds the tokens behind it. No other code spells a subject.
 */
export const SUBJECTS = {
  sealRequest: "scbe.v1.envelope.seal.request",
  openRequest: "scbe.v1.envelope.open.request",
  sealResponse: "scbe.v1.envelope.seal.response",
  openResponse: "scbe.v1.envelope.open.response",
  grant: "scbe.v1.keyring.grant",
  ring: "scbe.v1.keyring.ring",
  ringGet: "scbe.v1.keyring.ring.get",
  admit: "scbe.v1.replay.admit",
  epoch: "scbe.v1.replay.epoch",
  epochGet: "scbe.v1.replay.epoch.get",
  request: "scbe.v1.request",
  fallback: "scbe.v1.fallback",
  cancel: "scbe.v1.cancel",
  nonceReuse: "scbe.v1.security.nonce_reuse",
  securityRead: "scbe.v1.security.read",
  controlState: "scbe.v1.control.state",
  controlLease: "scbe.v1.control.lease",
  controlGet: "scbe.v1.control.get",
  audit: "scbe.v1.audit",
  auditRead: "scbe.v1.audit.read",
  trustTell: "scbe.v1.trust.tell",
  outcome: "scbe.v1.outcome",
  trustReuse: "scbe.v1.trust.nonce_reuse",
  trustWord: "scbe.v1.trust.word",
  trustState: "scbe.v1.trust.state",
  trustGet: "scbe.v1.trust.get",
  trustLast: "scbe.v1.trust.last",
} as const;

/** The tokens behind the base of a subject, in this order. */
export const SUBJECT_TOKENS = ["user", "provider", "intent"] as const;
export type SubjectToken = (typeof SUBJECT_TOKENS)[number];
export type SubjectKind = keyof typeof SUBJECTS;
/** The tokens of one subject; those of other kinds are ignored. */
export type SubjectNames = Partial<Readonly<Record<SubjectToken, string>>>;

const USER = ["user"] as const;
const PROVIDER = ["provider"] as const;
const USER_AND_PROVIDER = ["user", "provider"] as const;
const ALL = SUBJECT_TOKENS;

/**
 * The tokens behind each base. The bus does not name the publisher of a message, so every subject that a service answers carries the
 * user's name, and the user's permissions bind it.
 */
const TOKENS: Readonly<Record<SubjectKind, readonly SubjectToken[]>> = {
  sealRequest: ALL,
  openRequest: ALL,
  sealResponse: ALL,
  openResponse: ALL,
  grant: USER_AND_PROVIDER,
  ring: [],
  ringGet: USER,
  admit: USER_AND_PROVIDER,
  epoch: [],
  epochGet: USER,
  request: USER_AND_PROVIDER,
  fallback: USER_AND_PROVIDER,
  cancel: PROVIDER,
  nonceReuse: PROVIDER,
  securityRead: USER,
  controlState: [],
  controlLease: USER,
  controlGet: USER,
  audit: [],
  auditRead: USER,
  trustTell: USER_AND_PROVIDER,
  outcome: USER_AND_PROVIDER,
  trustReuse: PROVIDER,
  trustWord: USER,
  trustState: [],
  trustGet: USER,
  trustLast: USER,
};

/** The tokens of `kind` behind its base. */
export function tokensIn(kind: SubjectKind): readonly SubjectToken[] {
  return TOKENS[kind];
}

/**
 * The subject of `kind` with these names.
 * @throws RangeError for a missing name, or one that would widen the subject (`*`, `>`, dots)
 */
export function subjectOf(kind: SubjectKind, names: SubjectNames = {}): string {
  let subject: string = SUBJECTS[kind];
  for (const token of TOKENS[kind]) {
    const name = names[token];
    if (name === undefined || !NAME_PATTERN.test(name))
      throw new RangeError(`${kind} has no valid ${token}: ${JSON.stringify(name)}`);
    subject += `.${name}`;
  }
  return subject;
}

/**
 * The pattern of all subjects of `kind` with these names: `*` for each token that is not given.
 * @throws RangeError for a name that would widen it further
 */
export function patternOf(kind: SubjectKind, names: SubjectNames = {}): string {
  let subject: string = SUBJECTS[kind];
  for (const token of TOKENS[kind]) {
    const name = names[token];
    if (name !== undefined && !NAME_PATTERN.test(name))
      throw new RangeError(`${kind} has no valid ${token}: ${JSON.stringify(name)}`);
    subject += `.${name ?? "*"}`;
  }
  return subject;
}

/**
 * The names in a received subject; `undefined` unless it is `kind` followed by exactly its well-formed tokens.
 */
export function namesIn(kind: SubjectKind, subject: string): SubjectNames | undefined {
  const base = SUBJECTS[kind];
  if (!subject.startsWith(base)) return undefined;
  const tokens = TOKENS[kind];
  const parts = subject.slice(base.length).split(".");
  if (parts.length !== tokens.length + 1 || parts[0] !== "") return undefined;
  const names: Partial<Record<SubjectToken, string>> = {};
  for (const [index, token] of tokens.entries()) {
    const part = parts[index + 1] ?? "";
    if (!NAME_PATTERN.test(part)) return undefined;
    names[token] = part;
  }
  return names;
}

/** Queue groups, one for each kind of worker. */
export const QUEUES = {
  envelope: "envelope",
  keyring: "keyring",
  replayGuard: "replay-guard",
  gateways: "gateways",
  controller: "rollback-controller",
  trustScorer: "trust-scorer",
  operator: "operator",
} as const;

/** KV buckets and JetStream streams, all in file storage. */
export const BUCKETS = {
  keyring: "SCBE_KEYRING",
  replay: "SCBE_REPLAY",
  control: "SCBE_CONTROL",
  trust: "SCBE_TRUST",
} as const;
export const STREAMS = {
  security: "SCBE_SECURITY",
  audit: "SCBE_AUDIT",
  trustEvents: "SCBE_TRUST_EVENTS",
} as const;

/**
 * The keys of the buckets. The control bucket has the document, the leader, the canary, the processed alerts, the trust overrides
 * that wait for a trust scorer, and the verifiers of the last minutes. The trust bucket has the document for verifiers, the scorer's whole
 * state, the leader, and the position in the security stream.
 */
export const KV_KEYS = {
  ring: "ring",
  epoch: "epoch",
  control: "state",
  leader: "leader",
  canary: "canary",
  acted: "acted",
  trustOverrides: "trust_words",
  verifiers: "verifiers",
  trust: "document",
  trustState: "state",
  trustRelay: "relay",
} as const;
