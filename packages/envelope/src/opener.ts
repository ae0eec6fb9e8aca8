import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AdmitItem, AdmitVerdict, Environment } from "@scbe/contracts";
import { encodeBase64Url } from "./base64url.ts";
import { decrypt } from "./decrypt.ts";
import type { Header, Phase, RequestHeader, ResponseHeader } from "./header/header.ts";
import { isInTime, type TimeLimits } from "./header/is-in-time.ts";
import { type ParsedHeader, parseHeader } from "./header/parse-header.ts";
import { deriveCommitment, deriveSessionKeys, PREFIX_BYTES, type SessionKeys } from "./keys/session-keys.ts";
import type { Subkeys } from "./keys/subkeys.ts";
import { LearnedHeaders } from "./learned-headers.ts";
import { Noise } from "./noise.ts";
import { OpeningSessions } from "./opening-sessions.ts";
import type { Admission, Clock, OpeningKeys, OpeningObserver, Permission, Serves } from "./ports.ts";
import type { Refusal } from "./refusals.ts";
import type { RequestFacts } from "./sealer.ts";
import { type EnvelopeParts, splitEnvelope } from "./wire.ts";

export interface OpenerPorts {
  readonly keys: OpeningKeys;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly env: Environment;
  readonly serves: Serves;
  /** Everything is permitted unless told. */
  readonly permission?: Permission;
  readonly observer?: OpeningObserver;
}

export interface OpenerLimits extends TimeLimits {
  /** The soonest, from its arrival, that a refused request is answered. */
  readonly noiseFloorMs: number;
}

/** How a request arrived: on the subject of a provider, at a monotonic time in ms. */
export interface Arrival {
  readonly provider: string;
  readonly arrivedAt: number;
}

/** What a response must be the answer to: the request that waits for it. */
export interface ResponseBinding extends RequestFacts {
  /** SHA-256 of the request's envelope, 32 bytes. */
  readonly hash: Uint8Array;
  /** The chunk of a stream that is due; absent: a whole response is. */
  readonly seq?: number;
}

export interface OpenedRequest {
  readonly ok: true;
  readonly header: RequestHeader;
  readonly body: Uint8Array;
  /** SHA-256 of the envelope, 32 bytes: what its response is bound to. */
  readonly hash: Uint8Array;
}

export interface OpenedResponse {
  readonly ok: true;
  readonly header: ResponseHeader;
  readonly body: Uint8Array;
}

/** A failure carries no reason, so none can be passed on by mistake. */
export type RequestOpening = OpenedRequest | { readonly ok: false; readonly noise: Uint8Array };
export type ResponseOpening = OpenedResponse | FailedResponse;

export interface FailedResponse {
  readonly ok: false;
  /**
   * True of a well-formed response under a key that is held, which names this very request by the hash of its envelope, and whose
   * cryptography does not hold. Only who was given that envelope can have made it. Never so of whatever may be nobody's fault: a
   * clock, an unknown key, a switch.
   */
  readonly isBlamed: boolean;
}

/**
 * Opens envelopes, in one order of ten steps (docs/spec/envelope-v1.md, "Opening"). Whatever fails in it, the asker gets
 * the same noise at the same time; the reason goes to the observer alone.
 * @example
 * const opened = await opener.openRequest(message.data, { provider: "openai", arrivedAt });
 * if (!opened.ok) return opened.noise;
 */
export class Opener {
  readonly #ports: OpenerPorts;
  readonly #limits: OpenerLimits;
  readonly #noise: Noise;
  readonly #headers = new LearnedHeaders();
  readonly #sessions = new OpeningSessions();

  constructor(ports: OpenerPorts, limits: OpenerLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.#noise = new Noise(limits.noiseFloorMs, ports.clock);
  }

  async openRequest(received: Uint8Array, { provider, arrivedAt }: Arrival): Promise<RequestOpening> {
    const refused = async (reason: Refusal): Promise<RequestOpening> => {
      this.#ports.observer?.refused({ phase: "request", provider, reason });
      return { ok: false, noise: await this.#noise.answer(received, arrivedAt) };
    };
    const verified = this.#verify(received, "request", provider); // 1 to 7
    if (!verified.ok) return refused(verified.reason);
    const verdict = await ask(this.#ports.admission, admitItem(verified), provider); // 8
    if (verdict === "fresh") this.#tellVerified(verified);
    const reason = this.#noise.isOverdue(arrivedAt) ? "not_admitted" : refusalOf(verdict);
    if (reason !== undefined) return refused(wiped(verified, reason));
    if (!this.#isStillAllowed(verified)) return refused(wiped(verified, "withdrawn")); // 9
    this.#ports.observer?.released({ phase: "request", provider }); // 10
    const { header, body } = verified;
    return { ok: true, header: header as RequestHeader, body, hash: hash("sha256", received, "buffer") };
  }

  /** Opens the answer to one request. Taking only one for each is the caller's part. */
  openResponse(received: Uint8Array, binding: ResponseBinding): ResponseOpening {
    const { provider } = binding;
    const refused = (reason: Refusal, isBlamed = false): ResponseOpening => {
      this.#ports.observer?.refused({ phase: "response", provider, reason });
      return { ok: false, isBlamed };
    };
    const verified = this.#verify(received, "response", provider); // 1 to 7
    if (!verified.ok) {
      const { reason, claims } = verified;
      return refused(reason, claims !== undefined && isBound(claims as ResponseHeader, binding));
    }
    const header = verified.header as ResponseHeader;
    if (!isBound(header, binding)) return refused(wiped(verified, "binding")); // 8
    this.#tellVerified(verified);
    if (!this.#isStillAllowed(verified)) return refused(wiped(verified, "withdrawn")); // 9
    this.#ports.observer?.released({ phase: "response", provider }); // 10
    return { ok: true, header, body: verified.body };
  }

  /** The noise for what was refused, 512 bytes, no sooner than the floor after `arrivedAt` (monotonic ms). */
  refuse(received: Uint8Array, arrivedAt: number): Promise<Uint8Array> {
    return this.#noise.answer(received, arrivedAt);
  }

  /** Steps 1 to 7. Until the last of them has passed, nothing that the header says is true. */
  #verify(received: Uint8Array, phase: Phase, provider: string): Verification {
    const { keys, clock, observer } = this.#ports;
    const startedAt = clock.monotonic();
    const parts = splitEnvelope(received); // 1
    if (parts === undefined) return no("malformed");
    const learned = this.#headers.match(parts.headerText);
    const read: ParsedHeader = learned ? { ok: true, header: learned } : parseHeader(parts.headerText); // 1, 2
    if (!read.ok) return no(read.reason);
    const { header } = read;
    if (header.phase !== phase || header.provider !== provider || !this.#isServed(header))
      return no("not_served"); // 3
    if (!this.#isPermitted(header)) return no("switched_off"); // 3
    const sessionId = Buffer.from(header.session_id, "base64url");
    const nowMs = clock.now();
    if (!isInTime(header, sessionId.readUInt32BE(0), nowMs, this.#limits)) return no("time"); // 4
    const subkeys = keys.find(header.kid, header.provider, header.intent); // 5
    if (subkeys === undefined) return no("unknown_key");
    const known = this.#sessions.find(subkeys, header);
    const session = known ?? openSession(subkeys, header, sessionId); // 6
    if (session === undefined) return no("commitment", header);
    const nonce = Buffer.from(header.nonce, "base64url");
    if (!isOfSession(nonce, session)) return no("nonce", header);
    const body = decrypt(session.key, nonce, parts); // 7
    const { kid, intent } = subkeys;
    observer?.tagChecked?.({ phase, provider, intent, kid, verified: body !== undefined });
    if (body === undefined) return no("tag", header);
    if (known === undefined) this.#sessions.keep(subkeys, header, session);
    if (learned === undefined) this.#headers.learn(header);
    const measured = { ms: clock.monotonic() - startedAt, skewMs: nowMs - header.ts };
    return { ok: true, header, body, parts, subkeys, sessionId, nonce, measured };
  }

  /** Not before step 8: a copy has a true tag, and is as late as whoever has recorded it likes. */
  #tellVerified({ header: { phase, provider }, measured }: Verified): void {
    this.#ports.observer?.verified?.({ phase, provider, ...measured });
  }

  #isServed({ env, provider, intent, model }: Header): boolean {
    const { env: own, serves } = this.#ports;
    return (
      env === own &&
      serves.providers.includes(provider) &&
      serves.intents.includes(intent) &&
      (serves.models?.includes(model) ?? true)
    );
  }

  #isPermitted({ phase, provider, request_id }: Header): boolean {
    return this.#ports.permission?.permits(phase, provider, request_id) ?? true;
  }

  /** Asked in the turn of release, since the world may have changed while the guard decided. */
  #isStillAllowed({ header, subkeys }: Verified): boolean {
    const { kid, provider, intent } = header;
    return (
      this.#isServed(header) &&
      this.#isPermitted(header) &&
      this.#ports.keys.find(kid, provider, intent) === subkeys
    );
  }
}

interface Verified {
  readonly ok: true;
  readonly header: Header;
  readonly body: Buffer;
  readonly parts: EnvelopeParts;
  readonly subkeys: Subkeys;
  readonly sessionId: Buffer;
  readonly nonce: Buffer;
  readonly measured: { readonly ms: number; readonly skewMs: number };
}
/** `claims`: what the header of an envelope says whose cryptography does not hold. */
interface Unverified {
  readonly ok: false;
  readonly reason: Refusal;
  readonly claims?: Header;
}
type Verification = Verified | Unverified;

const ATTEMPT_BYTES = 16;

function no(reason: Refusal, claims?: Header): Unverified {
  return { ok: false, reason, ...(claims && { claims }) };
}

/** What was decrypted and may not be released. */
function wiped({ body }: Verified, reason: Refusal): Refusal {
  body.fill(0);
  return reason;
}

/** The keys of a session that was not seen before, if its header commits to our subkeys. */
function openSession(subkeys: Subkeys, header: Header, sessionId: Buffer): SessionKeys | undefined {
  const ours = deriveCommitment(subkeys, header.phase, sessionId);
  const theirs = Buffer.from(header.commitment, "base64url");
  return timingSafeEqual(ours, theirs) ? deriveSessionKeys(subkeys, header.phase, sessionId) : undefined;
}

function isOfSession(nonce: Buffer, { prefix }: SessionKeys): boolean {
  return nonce.subarray(0, PREFIX_BYTES).equals(prefix) && nonce.readUInt32BE(PREFIX_BYTES) >= 1;
}

/** A guard that fails has admitted nothing, and its asker gets noise like any other. */
async function ask(guard: Admission, item: AdmitItem, provider: string): Promise<AdmitVerdict> {
  try {
    return await guard.admit(item, provider);
  } catch {
    return "refused";
  }
}

/** Only a clear `fresh` is none. */
function refusalOf(verdict: AdmitVerdict): Refusal | undefined {
  if (verdict === "fresh") return undefined;
  if (verdict === "replay") return "replay";
  return verdict === "reuse" ? "nonce_reuse" : "not_admitted";
}

function isBound(header: ResponseHeader, binding: ResponseBinding): boolean {
  return (
    header.in_reply_to === encodeBase64Url(binding.hash) &&
    header.request_id === binding.request_id &&
    header.provider === binding.provider &&
    header.intent === binding.intent &&
    header.model === binding.model &&
    header.seq === binding.seq
  );
}

/** The attempt is drawn here, from the system's generator, and taken from no envelope: it makes a resend idempotent. */
function admitItem({ header, sessionId, nonce, parts }: Verified): AdmitItem {
  return {
    epoch: Buffer.from((header as RequestHeader).epoch, "base64url"),
    sessionId,
    counter: nonce.readUInt32BE(PREFIX_BYTES),
    replayNonce: Buffer.from(header.replay_nonce, "base64url"),
    tag: parts.tag,
    attempt: randomBytes(ATTEMPT_BYTES),
  };
}
