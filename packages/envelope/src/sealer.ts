import { hash } from "node:crypto";
import { RESERVED_INTENT, ScbeError, type SessionBudget, type SessionStart } from "@scbe/contracts";
import type { Phase, RequestHeader, ResponseHeader } from "./header/header.ts";
import type { Subkeys } from "./keys.ts";
import type { Clock, Epochs, Permission, Random, SealingKeys, SealingObserver } from "./ports.ts";
import { SYSTEM_RANDOM } from "./random-pool.ts";
import {
  type Kind,
  type MessageMembers,
  type Sealed,
  SealingSession,
  type SessionLimits,
  type SessionScope,
} from "./sealing-session.ts";
import { encodeBase64Url } from "./wire.ts";

export interface SealerPorts {
  readonly keys: SealingKeys;
  /** Used only for requests. */
  readonly epochs: Epochs;
  readonly clock: Clock;
  /** Default: everything is permitted. */
  readonly permission?: Permission;
  readonly observer?: SealingObserver;
  /** For session ids and replay nonces; default the operating system's generator. */
  readonly random?: Random;
}

/** How full a session in use is: parts of its budgets, from 0 to 1. */
export interface SessionUse {
  readonly phase: Phase;
  readonly provider: string;
  readonly used: Readonly<Record<SessionBudget, number>>;
}

export type SealerLimits = Omit<SessionLimits, "byteBudget"> & Partial<SessionLimits>;

/** The body of a message, and its description. */
interface Content {
  /** Can be empty. */
  readonly body: Uint8Array;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits, or `none`, the default. */
  readonly schemaHash?: string;
  /** Default and maximum: the replay window. */
  readonly ttlSeconds?: number;
}

export interface RequestToSeal extends Content {
  readonly provider: string;
  readonly model: string;
  readonly intent: string;
  /** A UUID in lower case. */
  readonly requestId: string;
}

export interface ResponseToSeal extends Content {
  /** The opened request that it answers. */
  readonly request: { readonly header: RequestFacts; readonly hash: Uint8Array };
  /** The chunk of a stream; absent for a whole response. */
  readonly stream?: { readonly seq: number; readonly final: 0 | 1 };
}

/** The members of a request that its response repeats. */
export type RequestFacts = Pick<RequestHeader, "provider" | "intent" | "model" | "request_id">;

export interface SealedRequest {
  readonly bytes: Uint8Array;
  readonly header: RequestHeader;
  /** SHA-256 of `bytes`, 32 bytes: the response is bound to it, and a cancellation names it. */
  readonly hash: Uint8Array;
}

export interface SealedResponse {
  readonly bytes: Uint8Array;
  readonly header: ResponseHeader;
}

const BYTE_BUDGET = 64 * 2 ** 30;

/**
 * Seals requests and responses in sessions. A session ends, and a fresh one takes over without failing a message, at the
 * counter limit, the byte budget, the age of the replay window, a new active key, a new replay epoch, and when the wall clock and the
 * monotonic clock drift apart.
 * @example
 * const { bytes, hash } = sealer.sealRequest({ provider: "openai", model: "gpt-5", intent: "chat", requestId, body });
 */
export class Sealer {
  readonly #ports: SealerPorts;
  readonly #limits: SessionLimits;
  /** The last session of each phase, provider and intent: the only one that may continue. */
  readonly #last = new Map<string, WeakRef<SealingSession>>();
  /** Keeps those sessions alive as long as their subkeys, so that they are dropped when a key is withdrawn. */
  readonly #kept = new WeakMap<Subkeys, Partial<Record<Phase, SealingSession>>>();

  constructor(ports: SealerPorts, limits: SealerLimits) {
    this.#ports = ports;
    this.#limits = { byteBudget: BYTE_BUDGET, ...limits };
  }

  /** @throws ScbeError SWITCHED_OFF, DISTRUSTED, NO_KEYS, NO_EPOCH, or BAD_REQUEST that names an illegal member */
  sealRequest(request: RequestToSeal): SealedRequest {
    const startedAt = this.#ports.clock.monotonic();
    const { provider, intent, model, requestId, body } = request;
    this.#assertPermitted("request", provider, requestId);
    const subkeys = this.#subkeys(provider, intent);
    const epoch = this.#ports.epochs.current();
    if (epoch === undefined) throw new ScbeError("NO_EPOCH", "no replay epoch is known yet");
    const scope = { subkeys, phase: "request", epoch } as const;
    const { bytes, header } = this.#seal(scope, this.#kind(model, request), { request_id: requestId }, body);
    const digest = hash("sha256", bytes, "buffer");
    this.#report(scope, startedAt, bytes.length);
    return { bytes, header: header as RequestHeader, hash: digest };
  }

  /** @throws ScbeError SWITCHED_OFF, DISTRUSTED, NO_KEYS, or BAD_REQUEST that names an illegal member */
  sealResponse(response: ResponseToSeal): SealedResponse {
    const startedAt = this.#ports.clock.monotonic();
    const { request, stream, body } = response;
    const { provider, intent, model, request_id } = request.header;
    this.#assertPermitted("response", provider, request_id);
    const subkeys = this.#subkeys(provider, intent);
    const scope = { subkeys, phase: "response", epoch: undefined } as const;
    const chunk = stream && { seq: stream.seq, final: stream.final };
    const members = { request_id, in_reply_to: encodeBase64Url(request.hash), ...chunk };
    const { bytes, header } = this.#seal(scope, this.#kind(model, response), members, body);
    this.#report(scope, startedAt, bytes.length);
    return { bytes, header: header as ResponseHeader };
  }

  /** The sessions that could seal the next message. */
  sessionsInUse(): SessionUse[] {
    const uses: SessionUse[] = [];
    for (const last of this.#last.values()) {
      const session = last.deref();
      if (session === undefined) continue;
      const { subkeys, phase } = session.scope;
      const { provider, intent } = subkeys;
      const epoch = phase === "request" ? this.#ports.epochs.current() : undefined;
      const isActive = this.#ports.keys.active(provider, intent) === subkeys;
      if (!isActive || session.endFor({ subkeys, phase, epoch }) !== undefined) continue;
      uses.push({ phase, provider, used: session.used() });
    }
    return uses;
  }

  #report({ phase, subkeys }: SessionScope, startedAt: number, bytes: number): void {
    const { observer, clock } = this.#ports;
    observer?.sealed({ phase, provider: subkeys.provider, ms: clock.monotonic() - startedAt, bytes });
  }

  /** @throws ScbeError SWITCHED_OFF, or the error of the permission */
  #assertPermitted(phase: Phase, provider: string, requestId: string): void {
    const { permission } = this.#ports;
    if (permission?.permits(phase, provider, requestId) ?? true) return;
    throw (
      permission?.refusal?.(provider) ??
      new ScbeError("SWITCHED_OFF", `the control plane does not permit sealing for ${provider} now`)
    );
  }

  /** @throws ScbeError NO_KEYS, or BAD_REQUEST for a reserved intent */
  #subkeys(provider: string, intent: string): Subkeys {
    if (RESERVED_INTENT.test(intent)) throw new ScbeError("BAD_REQUEST", "this intent is reserved");
    const subkeys = this.#ports.keys.active(provider, intent);
    if (subkeys !== undefined) return subkeys;
    throw new ScbeError("NO_KEYS", "there is no active key for this provider and intent");
  }

  /** Seals in the session in use, or in a fresh one. The fresh one takes its place only after it sealed, so a refusal changes nothing. */
  #seal(scope: SessionScope, kind: Kind, members: MessageMembers, body: Uint8Array): Sealed {
    const { phase, subkeys } = scope;
    const { provider, intent } = subkeys;
    const place = `${phase} ${provider} ${intent}`;
    const last = this.#last.get(place)?.deref();
    const end = last?.endFor(scope);
    if (last !== undefined && end === undefined) return last.seal(kind, members, body);
    const { clock, observer, random = SYSTEM_RANDOM } = this.#ports;
    const fresh = new SealingSession(scope, clock, this.#limits, random);
    const sealed = fresh.seal(kind, members, body);
    const why: SessionStart = end ?? (this.#last.has(place) ? "key" : "first");
    this.#last.set(place, new WeakRef(fresh));
    this.#kept.set(subkeys, { ...this.#kept.get(subkeys), [phase]: fresh });
    observer?.started({ phase, provider, why });
    return sealed;
  }

  #kind(model: string, content: Content): Kind {
    const { windowSeconds } = this.#limits;
    const { contentType = "application/json", schemaHash = "none", ttlSeconds = windowSeconds } = content;
    if (ttlSeconds > windowSeconds) {
      throw new ScbeError("BAD_REQUEST", `ttl is ${ttlSeconds} s; the replay window is ${windowSeconds} s`);
    }
    return { model, ttl: ttlSeconds, content_type: contentType, schema_hash: schemaHash };
  }
}
