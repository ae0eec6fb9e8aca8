import { hash, timingSafeEqual } from "node:crypto";
import { type Environment, RESERVED_INTENT } from "@scbe/contracts";
import { askGuard, refusalOf } from "./ask-guard.ts";
import { encodeBase64Url } from "./base64url.ts";
import { decrypt } from "./decrypt.ts";
import type { Header, Phase, RequestHeader, ResponseHeader } from "./header/header.ts";
import { isInTime, type TimeLimits } from "./header/is-in-time.ts";
import { type ParsedHeader, parseHeader } from "./header/parse-header.ts";
import { deriveCommitment, deriveSessionKeys, PREFIX_BYTES, type SessionKeys } from "./keys/session-keys.ts";
import type { Subkeys } from "./keys/subkeys.ts";
import { LearnedHeaders } from "./learned-headers.ts";
import { type HeldNoise, Noise } from "./noise.ts";
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
  /** How long a verdict of the guard may take; below the noise floor. One that comes then or later counts as none. */
  readonly guardWaitMs: number;
}

/** How a request arrived: on the subject of a provider, at a monotonic time in ms. */
export interface Arrival {
  readonly provider: string;
  /** The one that the subject names; absent: it may be any that is served. */
  readonly intent?: string;
  readonly arrivedAt: number;
}

/** What a response must be the answer to: the request that waits for it. */
export interface ResponseBinding extends RequestFacts {
  /** SHA-256 of the request's envelope, 32 bytes. */
  readonly hash: Uint8Array;
  /** The chunk of a stream that is due; absent: a whole response is. */
  readonly seq?: number;
  /** False: the asker has sealed no such request, so that no response is the answer to it. True unless told. */
  readonly isAwaited?: boolean;
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
export type RequestOpening = OpenedRequest | RefusedRequest;
export interface RefusedRequest {
  readonly ok: false;
  readonly noise: HeldNoise;
}
export type ResponseOpening = OpenedResponse | FailedResponse;

export interface FailedResponse {
  readonly ok: false;
  /**
   * True of a well-formed response under a key that is held, which names this very request by the hash of its envelope, and whose
   * cryptography does not hold. Only who was given that envelope can have made it. Never so of whatever may be nobody's fault: a
   * clock, an unknown key, a switch.
   */
  readonly isBlamed: boolean;
  /** True where the reason may be the opener's own: its clock, its window, its keys, what it is permitted. */
  readonly mayBeOurs: boolean;
}

/**
 * Opens envelopes, in one order of ten steps (docs/spec/envelope-v1.md, "Opening"). Whatever fails in it, the asker gets
 * the same noise at the same time; the reason goes to the observer alone. It decides at once, and holds nothing back itself: a
 * flood of forgeries would hold the places of requests for as long as the floor.
 * @example
 * const opened = await opener.openRequest(message.data, { provider: "openai", arrivedAt });
 * if (!opened.ok) return { ...opened.noise, headers: { "scbe-status": "refused" } };
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

  /** What does not come as far as the guard is refused in the turn of the event loop in which it has arrived. */
  openRequest(received: Uint8Array, arrival: Arrival): RefusedRequest | Promise<RequestOpening> {
    const verified = this.#verify(received, "request", arrival); // 1 to 7
    return verified.ok
      ? this.#admit(verified, received, arrival)
      : this.#refused(verified.reason, received, arrival);
  }

  async #admit(verified: Verified, received: Uint8Array, arrival: Arrival): Promise<RequestOpening> {
    const { provider, arrivedAt } = arrival;
    const { clock } = this.#ports;
    const askedAt = clock.monotonic();
    const verdict = await askGuard(this.#ports.admission, verified, provider); // 8
    if (verdict === "fresh") this.#tellVerified(verified);
    const isLate =
      clock.monotonic() - askedAt >= this.#limits.guardWaitMs || this.#noise.isOverdue(arrivedAt);
    const reason = isLate ? "not_admitted" : refusalOf(verdict);
    if (reason !== undefined) return this.#refused(wiped(verified, reason), received, arrival);
    if (!this.#isStillAllowed(verified))
      return this.#refused(wiped(verified, "withdrawn"), received, arrival); // 9
    this.#ports.observer?.released({ phase: "request", provider }); // 10
    const { header, body } = verified;
    return { ok: true, header: header as RequestHeader, body, hash: hash("sha256", received, "buffer") };
  }

  #refused(reason: Refusal, received: Uint8Array, { provider, arrivedAt }: Arrival): RefusedRequest {
    this.#ports.observer?.refused({ phase: "request", provider, reason });
    return { ok: false, noise: this.refuse(received, arrivedAt) };
  }

  /** Opens the answer to one request. Taking only one for each is the caller's part. */
  openResponse(received: Uint8Array, binding: ResponseBinding): ResponseOpening {
    const { provider, intent } = binding;
    const refused = (reason: Refusal, isBlamed = false): ResponseOpening => {
      this.#ports.observer?.refused({ phase: "response", provider, reason });
      return { ok: false, isBlamed, mayBeOurs: OURS.has(reason) };
    };
    const verified = this.#verify(received, "response", { provider, intent }); // 1 to 7
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

  /** The noise for what was refused, having arrived at `arrivedAt` (monotonic ms). */
  refuse(received: Uint8Array, arrivedAt: number): HeldNoise {
    return this.#noise.answer(received, arrivedAt);
  }

  /** Steps 1 to 7. Until the last of them has passed, nothing that the header says is true. */
  #verify(received: Uint8Array, phase: Phase, due: Pick<Arrival, "provider" | "intent">): Verification {
    const { provider, intent: dueIntent } = due;
    const { keys, clock, observer } = this.#ports;
    const startedAt = clock.monotonic();
    const parts = splitEnvelope(received); // 1
    if (parts === undefined) return no("malformed");
    const learned = this.#headers.match(parts.headerText);
    const read: ParsedHeader = learned ? { ok: true, header: learned } : parseHeader(parts.headerText); // 1, 2
    if (!read.ok) return no(read.reason);
    const { header } = read;
    if (header.phase !== phase || header.provider !== provider) return no("not_served"); // 3
    if ((dueIntent !== undefined && header.intent !== dueIntent) || !this.#isServed(header))
      return no("not_served"); // 3
    if (!this.#isPermitted(header)) return no("switched_off"); // 3
    const sessionId = Buffer.from(header.session_id, "base64url");
    const nowMs = clock.now();
    if (!isInTime(header, sessionId.readUInt32BE(0), nowMs, this.#limits)) return no("time"); // 4
    const subkeys = keys.find(header.kid, header.provider, header.intent); // 5
    if (subkeys?.env !== header.env) return no("unknown_key");
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
      !RESERVED_INTENT.test(intent) &&
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

/** What may be the opener's own fault, and not the sealer's. */
const OURS: ReadonlySet<Refusal> = new Set(["switched_off", "time", "unknown_key", "withdrawn"]);

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

/** Provider and intent are compared in step 3. */
function isBound(header: ResponseHeader, binding: ResponseBinding): boolean {
  return (
    binding.isAwaited !== false &&
    header.in_reply_to === encodeBase64Url(binding.hash) &&
    header.request_id === binding.request_id &&
    header.model === binding.model &&
    header.seq === binding.seq
  );
}
