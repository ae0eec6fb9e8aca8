import { ScbeError, type SessionBudget, type SessionStart } from "@scbe/contracts";
import { encrypt } from "./aes-gcm.ts";
import { assertLegal } from "./header/forms.ts";
import { type Header, type Phase, SUITE, VERSION } from "./header/header.ts";
import { HeaderTemplate, type SlotValues } from "./header/template.ts";
import {
  deriveCommitment,
  deriveSessionKeys,
  PREFIX_BYTES,
  SESSION_ID_BYTES,
  type SessionKeys,
  type Subkeys,
} from "./keys.ts";
import type { Clock, Random } from "./ports.ts";
import { RandomPool } from "./random-pool.ts";
import { encodeBase64Url, startEnvelope } from "./wire.ts";

/** The limits that end a session. */
export interface SessionLimits {
  /** Seconds. */
  readonly windowSeconds: number;
  /** Messages, at most 2^32 - 1. */
  readonly counterLimit: number;
  /** Bytes of envelopes. */
  readonly byteBudget: number;
}

/** The scope of a session; any other scope needs another session. */
export interface SessionScope {
  readonly subkeys: Subkeys;
  readonly phase: Phase;
  /** 16 bytes; requests only. */
  readonly epoch: Uint8Array | undefined;
}

/** Why a session ends. */
export type SessionEnd = Exclude<SessionStart, "first">;

/** Members of a header that depend neither on the session nor on the single message. */
export type Kind = Pick<Header, "model" | "ttl" | "content_type" | "schema_hash">;

/** Members of each message. */
export type MessageMembers = Pick<Header, "request_id"> & SlotValues;

export interface Sealed {
  readonly bytes: Uint8Array;
  readonly header: Header;
}

/** A larger drift of the clocks means that the machine slept, was cloned, or had its clock set. */
const CLOCK_DRIFT_MS_MAX = 1000;
/** One for each kind in use. Callers choose kinds, so their number needs a bound. */
const TEMPLATES_MAX = 64;
const NONCE_BYTES = 12;
const REPLAY_NONCE_BYTES = 24;

/**
 * A series of messages under a key of its own, with a counter as nonce. A session is random, never stored and never
 * shared, so a counter in memory is enough; two sessions have one key only if 28 random bytes repeat.
 */
export class SealingSession {
  readonly scope: SessionScope;
  readonly #clock: Clock;
  readonly #limits: SessionLimits;
  readonly #startedAt: { readonly now: number; readonly monotonic: number };
  readonly #keys: SessionKeys;
  readonly #fixed: Readonly<Partial<Header>>;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  readonly #random: RandomPool;
  readonly #templates = new Map<string, HeaderTemplate>();
  #counter = 0;
  #bytes = 0;

  constructor(scope: SessionScope, clock: Clock, limits: SessionLimits, random: Random) {
    this.scope = scope;
    this.#clock = clock;
    this.#limits = limits;
    this.#random = new RandomPool(random);
    this.#startedAt = { now: clock.now(), monotonic: clock.monotonic() };
    const { subkeys, phase } = scope;
    assertLegal({ ts: this.#startedAt.now });
    const sessionId = drawSessionId(this.#startedAt.now, random);
    this.#keys = deriveSessionKeys(subkeys, phase, sessionId);
    this.#nonce.set(this.#keys.prefix);
    this.#fixed = fixedMembers(scope, sessionId);
  }

  /** Why the session may not seal another message for this scope of its own phase; `undefined` if it may. */
  endFor({ subkeys, epoch }: SessionScope): SessionEnd | undefined {
    const { windowSeconds, counterLimit, byteBudget } = this.#limits;
    const { wallMs, monotonicMs } = this.#ages();
    if (subkeys !== this.scope.subkeys) return "key";
    if (epoch !== this.scope.epoch) return "epoch";
    if (this.#counter >= counterLimit) return "counter";
    if (this.#bytes >= byteBudget) return "bytes";
    if (Math.abs(wallMs - monotonicMs) > CLOCK_DRIFT_MS_MAX) return "clock";
    return Math.max(wallMs, monotonicMs) < windowSeconds * 1000 ? undefined : "age";
  }

  /** The used part of each budget, from 0 to 1. */
  used(): Readonly<Record<SessionBudget, number>> {
    const { windowSeconds, counterLimit, byteBudget } = this.#limits;
    const { wallMs, monotonicMs } = this.#ages();
    const ageMs = Math.max(wallMs, monotonicMs, 0);
    return {
      messages: Math.min(this.#counter / counterLimit, 1),
      bytes: Math.min(this.#bytes / byteBudget, 1),
      age: Math.min(ageMs / (windowSeconds * 1000), 1),
    };
  }

  /**
   * Seals one message. Only here a nonce is used.
   * @throws ScbeError BAD_REQUEST that names an illegal member, before a nonce is used
   */
  seal(kind: Kind, members: MessageMembers, body: Uint8Array): Sealed {
    if (!(body instanceof Uint8Array)) throw new ScbeError("BAD_REQUEST", "a body is bytes: a Uint8Array");
    const ts = this.#clock.now();
    assertLegal({ ...members, ts });
    const template = this.#template(kind, members);
    this.#counter += 1;
    this.#nonce.writeUInt32BE(this.#counter, PREFIX_BYTES);
    const slots = {
      ...members,
      nonce: this.#nonce.toString("base64url"),
      replay_nonce: this.#random.takeBase64Url(REPLAY_NONCE_BYTES),
      ts,
    };
    const started = startEnvelope(template.render(slots), body.length);
    encrypt(this.#keys.key, this.#nonce, body, started);
    const { bytes } = started;
    this.#bytes += bytes.length;
    return { bytes, header: { ...template.fixed, ...slots } as Header };
  }

  #ages(): { wallMs: number; monotonicMs: number } {
    const wallMs = this.#clock.now() - this.#startedAt.now;
    return { wallMs, monotonicMs: this.#clock.monotonic() - this.#startedAt.monotonic };
  }

  /** No legal value holds a line feed, so no illegal kind has the id of a legal one. */
  #template(kind: Kind, members: MessageMembers): HeaderTemplate {
    const { model, ttl, content_type, schema_hash } = kind;
    const shape = members.seq === undefined ? "whole" : "chunk";
    const id = `${shape}\n${model}\n${ttl}\n${schema_hash}\n${content_type}`;
    const known = this.#templates.get(id);
    if (known !== undefined) return known;
    assertLegal(kind);
    const template = new HeaderTemplate({ ...this.#fixed, ...kind, ...BLANK, ...members } as Header);
    if (this.#templates.size >= TEMPLATES_MAX) this.#templates.clear();
    this.#templates.set(id, template);
    return template;
  }
}

/** Placeholders in the header of a template; each message has its own values. */
const BLANK = { nonce: "", replay_nonce: "", ts: 0 } as const;

/** The minute of the session's start, which selects the bucket of the replay guard, and 28 random bytes. */
function drawSessionId(nowMs: number, random: Random): Buffer {
  const sessionId = Buffer.alloc(SESSION_ID_BYTES);
  random.fill(sessionId.subarray(4));
  sessionId.writeUInt32BE(Math.floor(nowMs / 60_000), 0);
  return sessionId;
}

function fixedMembers({ subkeys, phase, epoch }: SessionScope, sessionId: Uint8Array): Partial<Header> {
  const { env, kid, provider, intent } = subkeys;
  const members = {
    v: VERSION,
    suite: SUITE,
    env,
    kid,
    provider,
    intent,
    phase,
    session_id: encodeBase64Url(sessionId),
    commitment: encodeBase64Url(deriveCommitment(subkeys, phase, sessionId)),
    ...(epoch !== undefined && { epoch: encodeBase64Url(epoch) }),
  };
  assertLegal(members);
  return members as Partial<Header>;
}
