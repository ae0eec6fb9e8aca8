import { hash, timingSafeEqual } from "node:crypto";
import { type Environment, RESERVED_INTENT } from "@scbe/contracts";
import { decrypt } from "./aes-gcm.ts";
import { askGuard, refusalOf } from "./ask-guard.ts";
import {
  type Header,
  isInTime,
  type Phase,
  type RequestHeader,
  type ResponseHeader,
  type TimeLimits,
} from "./header/header.ts";
import { type ParsedHeader, parseHeader } from "./header/parse.ts";
import { deriveCommitment, deriveSessionKeys, PREFIX_BYTES, type SessionKeys, type Subkeys } from "./keys.ts";
import { type HeldNoise, Noise } from "./noise.ts";
import { LearnedHeaders, OpeningSessions } from "./opening-caches.ts";
import type { Admission, Clock, OpeningKeys, OpeningObserver, Permission, Serves } from "./ports.ts";
import type { Refusal } from "./refusals.ts";
import type { RequestFacts } from "./sealer.ts";
import { type EnvelopeParts, encodeBase64Url, splitEnvelope } from "./wire.ts";

export interface OpenerPorts {
  readonly keys: OpeningKeys;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly env: Environment;
  readonly serves: Serves;
  /** Default: everything is permitted. */
  readonly permission?: Permission;
  readonly observer?: OpeningObserver;
}

export interface OpenerLimits extends TimeLimits {
  /** How long after its arrival a refused request is answered at the soonest. */
  readonly noiseFloorMs: number;
  /** How long a verdict of the guard may take; below the noise floor. A later one is ignored. */
  readonly guardWaitMs: number;
}

/** How a request arrived: on the subject of a provider, at a monotonic time in ms. */
export interface Arrival {
  readonly provider: string;
  /** The intent in the subject; absent: any served one is allowed. */
  readonly intent?: string;
  readonly arrivedAt: number;
}

/** The waiting request that a response must answer. */
export interface ResponseBinding extends RequestFacts {
  /** SHA-256 of the request's envelope, 32 bytes. */
  readonly hash: Uint8Array;
  /** The expected chunk of a stream; absent: a whole response is expected. */
  readonly seq?: number;
  /** False if the caller sealed no such request, so that no response answers it. Default true. */
  readonly isAwaited?: boolean;
}

export interface OpenedRequest {
  readonly ok: true;
  readonly header: RequestHeader;
  readonly body: Uint8Array;
  /** SHA-256 of the envelope, 32 bytes: its response is bound to it. */
  readonly hash: Uint8Array;
}

export interface OpenedResponse {
  readonly ok: true;
  readonly header: ResponseHeader;
  readonly body: Uint8Array;
}

/** A refusal has no reason, so none can leak by mistake. */
export type RequestOpening = OpenedRequest | RefusedRequest;
export interface RefusedRequest {
  readonly ok: false;
  readonly noise: HeldNoise;
}
export type ResponseOpening = OpenedResponse | FailedResponse;

export interface FailedResponse {
  readonly ok: false;
  /**
   * True for a well-formed response under a held key that names this request by the hash of its envelope, but whose
   * cryptography fails. Only a receiver of that envelope can have made it. Never true for causes without fault: a
   * clock, an unknown key, a switch.
   */
  readonly isBlamed: boolean;
  /** True if the opener itself may be the reason: its clock, its window, its keys, its permissions. */
  readonly mayBeOurs: boolean;
}

/**
 * Opens envelopes in ten ordered steps (docs/spec/envelope-v1.md, "Opening"). Whichever step fails, the sender gets
 * the same noise at the same time; only the observer gets the reason. The opener decides at once and leaves the delay to its caller: otherwise a
 * flood of forgeries would occupy the slots of requests until the floor.
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

  /** A refusal before the guard is synchronous. */
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
    if (verdict === "fresh") this.#reportVerified(verified);
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

  /** Opens the answer to one request. The caller takes only one answer for each request. */
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
    this.#reportVerified(verified);
    if (!this.#isStillAllowed(verified)) return refused(wiped(verified, "withdrawn")); // 9
    this.#ports.observer?.released({ phase: "response", provider }); // 10
    return { ok: true, header, body: verified.body };
  }

  /** The noise for a refused envelope that arrived at `arrivedAt` (monotonic ms). */
  refuse(received: Uint8Array, arrivedAt: number): HeldNoise {
    return this.#noise.answer(received, arrivedAt);
  }

  /** Steps 1 to 7. The header is not trusted before step 7. */
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

  /** Not before step 8: a replayed copy has a valid tag, and an attacker chooses its delay. */
  #reportVerified({ header: { phase, provider }, measured }: Verified): void {
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

  /** Checked again at release, since control, trust or keys may have changed while the guard decided. */
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
/** `claims`: the unverified header of an envelope whose cryptography fails. */
interface Unverified {
  readonly ok: false;
  readonly reason: Refusal;
  readonly claims?: Header;
}
type Verification = Verified | Unverified;

/** Reasons that can be the opener's own fault instead of the sealer's. */
const OURS: ReadonlySet<Refusal> = new Set(["switched_off", "time", "unknown_key", "withdrawn"]);

function no(reason: Refusal, claims?: Header): Unverified {
  return { ok: false, reason, ...(claims && { claims }) };
}

/** Wipes a decrypted body that may not be released. */
function wiped({ body }: Verified, reason: Refusal): Refusal {
  body.fill(0);
  return reason;
}

/** The keys of a new session, if its header commits to our subkeys. */
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
