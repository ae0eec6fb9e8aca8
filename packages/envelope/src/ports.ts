import type { AdmitItem, AdmitVerdict, ScbeError, SessionStart } from "@scbe/contracts";
import type { Phase } from "./header/header.ts";
import type { Subkeys } from "./keys/subkeys.ts";
import type { Refusal } from "./refusals.ts";

/** The time, in ms: since the Unix epoch, and since some point in the past. */
export interface Clock {
  now(): number;
  monotonic(): number;
}

/** Fills `bytes` with bytes of a cryptographic random generator. */
export interface Random {
  fill(bytes: Uint8Array): void;
}

/** The keys that seal. Looking one up never waits and never fetches. */
export interface SealingKeys {
  active(provider: string, intent: string): Subkeys | undefined;
}

/** The keys that open. Looking one up never waits, never fetches and never evicts. */
export interface OpeningKeys {
  find(kid: string, provider: string, intent: string): Subkeys | undefined;
}

/** The replay epoch that requests are sealed for: 16 bytes, one object for as long as it is the same epoch. */
export interface Epochs {
  current(): Uint8Array | undefined;
}

/** The replay guard. It never throws: whatever is not a clear `fresh` is a refusal. */
export interface Admission {
  admit(item: AdmitItem, provider: string): Promise<AdmitVerdict>;
}

/** What an opener takes; everything else it refuses. Asked before anything is opened, and again when it is released. */
export interface Serves {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  /** Every model unless told. */
  readonly models?: readonly string[];
}

/**
 * The word of control plane and trust, which a kill switch, a flag, a lost lease or a latch changes. Like {@link Serves} it is asked before anything
 * is opened, and again in the turn of release.
 */
export interface Permission {
  /** May an envelope of this phase, for this provider and request, be sealed or opened now? */
  permits(phase: Phase, provider: string, requestId: string): boolean;
  /** Why not, for whoever wants to seal; SWITCHED_OFF unless told. */
  refusal?(provider: string): ScbeError | undefined;
}

/** Told of every sealing. */
export interface SealingObserver {
  /** `ms` is the time of all of it, the start of a session included; `bytes` are the envelope's. */
  sealed(facts: { readonly phase: Phase; readonly provider: string; ms: number; bytes: number }): void;
  started(facts: { readonly phase: Phase; readonly provider: string; readonly why: SessionStart }): void;
}

/** Told of every opening; the reason of a refusal goes here and nowhere else. */
export interface OpeningObserver {
  /** Of an envelope under a key that is held, whether or not its tag verified. */
  tagChecked?(facts: TagCheck): void;
  /**
   * Authentic, and no copy: its tag verified, and the guard called it fresh, or it answers the request that waits. `ms` is
   * the time of verifying alone; `skewMs` is our time less the sealer's.
   */
  verified?(facts: { readonly phase: Phase; readonly provider: string; ms: number; skewMs: number }): void;
  released(facts: { readonly phase: Phase; readonly provider: string }): void;
  /** `provider` is what the asker's subject or request says, never what an unverified header says. */
  refused(facts: { readonly phase: Phase; readonly provider: string; readonly reason: Refusal }): void;
}

export interface TagCheck {
  readonly phase: Phase;
  readonly provider: string;
  readonly intent: string;
  readonly kid: string;
  readonly verified: boolean;
}
