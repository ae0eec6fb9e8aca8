import { NAME_PATTERN } from "./names.ts";

/**
 * Every subject of version 1. A `<provider>` token is the last one wherever a subject has it, so that permissions,
 * queue groups and subscriptions can be given provider by provider. Nothing else in SCBE spells a subject.
 */
export const SUBJECTS = {
  sealRequest: "scbe.v1.envelope.seal.request",
  openRequest: "scbe.v1.envelope.open.request",
  sealResponse: "scbe.v1.envelope.seal.response",
  openResponse: "scbe.v1.envelope.open.response",
  grant: "scbe.v1.keyring.grant",
  ring: "scbe.v1.keyring.ring",
  admit: "scbe.v1.replay.admit",
  epoch: "scbe.v1.replay.epoch",
  epochGet: "scbe.v1.replay.epoch.get",
  request: "scbe.v1.request",
  fallback: "scbe.v1.fallback",
  cancel: "scbe.v1.cancel",
  nonceReuse: "scbe.v1.security.nonce_reuse",
  controlState: "scbe.v1.control.state",
  controlLease: "scbe.v1.control.lease",
  audit: "scbe.v1.audit",
  trustTell: "scbe.v1.trust.tell",
  outcome: "scbe.v1.outcome",
  trustReuse: "scbe.v1.trust.nonce_reuse",
  trustWord: "scbe.v1.trust.word",
  trustState: "scbe.v1.trust.state",
} as const;

const WITHOUT_PROVIDER = [
  "ring",
  "epoch",
  "epochGet",
  "controlState",
  "controlLease",
  "audit",
  "trustWord",
  "trustState",
] as const;

/** The subjects that end in a provider. */
export type ProviderSubject = Exclude<keyof typeof SUBJECTS, (typeof WITHOUT_PROVIDER)[number]>;

/** True when the subject ends in a provider. */
export function isOfProvider(kind: keyof typeof SUBJECTS): kind is ProviderSubject {
  return !(WITHOUT_PROVIDER as readonly string[]).includes(kind);
}

/** The subject of one provider; throws on a name that could widen it (`*`, `>`, dots). */
export function subjectFor(kind: ProviderSubject, provider: string): string {
  if (!NAME_PATTERN.test(provider)) throw new RangeError(`not a provider name: ${JSON.stringify(provider)}`);
  return `${SUBJECTS[kind]}.${provider}`;
}

/**
 * The provider that a received subject names, or `undefined` when the subject is not `kind` followed by exactly one
 * well-formed token. A requester chooses neither of them freely only if this check was made: a JetStream consumer can
 * deliver into any subject (the "confused deputy" of docs/request-path.md).
 */
export function providerOf(kind: ProviderSubject, subject: string): string | undefined {
  const prefix = `${SUBJECTS[kind]}.`;
  if (!subject.startsWith(prefix)) return undefined;
  const provider = subject.slice(prefix.length);
  return NAME_PATTERN.test(provider) ? provider : undefined;
}

/** Queue groups, one for each kind of worker. */
export const QUEUES = {
  envelope: "envelope",
  keyring: "keyring",
  replayGuard: "replay-guard",
  gateways: "gateways",
  controller: "rollback-controller",
  trustScorer: "trust-scorer",
} as const;

/** KV buckets and JetStream streams, all in file storage. */
export const BUCKETS = {
  keyring: "SCBE_KEYRING",
  replay: "SCBE_REPLAY",
  control: "SCBE_CONTROL",
  trust: "SCBE_TRUST",
} as const;
export const STREAMS = { security: "SCBE_SECURITY", audit: "SCBE_AUDIT", trustEvents: "SCBE_TRUST" } as const;

/**
 * The keys of the buckets. Of the control bucket: the document, who leads, the canary, and what was acted on already. Of the trust bucket:
 * what readers get, all that the scorer knows, who leads, and how much of the security stream was taken over.
 */
export const KV_KEYS = {
  ring: "ring",
  epoch: "epoch",
  control: "state",
  leader: "leader",
  canary: "canary",
  acted: "acted",
  trust: "document",
  trustState: "state",
  trustRelay: "relay",
} as const;
