import type { AdmitItem, AdmitVerdict, ScbeError, SessionStart } from "@scbe/contracts";
import type { Phase } from "./header/header.ts";
import type { Subkeys } from "./keys.ts";
import type { Refusal } from "./refusals.ts";

/** Time in ms: since the Unix epoch, and since an arbitrary point in the past. */
export interface Clock {
  now(): number;
  monotonic(): number;
}

/** Fills `bytes` from a cryptographic random generator. */
export interface Random {
  fill(bytes: Uint8Array): void;
}

/** The keys that seal. Lookups never wait and never fetch. */
export interface SealingKeys {
  active(provider: string, intent: string): Subkeys | undefined;
}

/** The keys that open. Lookups never wait, never fetch and never evict. */
export interface OpeningKeys {
  find(kid: string, provider: string, intent: string): Subkeys | undefined;
}

/** The replay epoch that requests are sealed for: 16 bytes, one object for as long as the epoch is the same. */
export interface Epochs {
  current(): Uint8Array | undefined;
}

/** The replay guard. Any verdict but `fresh` is a refusal. */
export interface Admission {
  admit(item: AdmitItem, provider: string): Promise<AdmitVerdict>;
}

/** The scope of an opener; it refuses everything else. It is checked before opening, and again at release. */
export interface Serves {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  /** Default: every model. */
  readonly models?: readonly string[];
}

/**
 * The decision of control plane and trust, which a kill switch, a flag, a lost lease or a latch changes. Like {@link Serves} it is checked
 * before opening, and again at release.
 */
export interface Permission {
  /** Whether an envelope of this phase, for this provider and request, may be sealed or opened now. */
  permits(phase: Phase, provider: string, requestId: string): boolean;
  /** The error for a caller that wants to seal; default SWITCHED_OFF. */
  refusal?(provider: string): ScbeError | undefined;
}

/** Observes every sealing. */
export interface SealingObserver {
  /** `ms` is the whole time, with the start of a session if any; `bytes` is the length of the envelope. */
  sealed(facts: { readonly phase: Phase; readonly provider: string; ms: number; bytes: number }): void;
  started(facts: { readonly phase: Phase; readonly provider: string; readonly why: SessionStart }): void;
}

/** Observes every opening; the reason of a refusal goes only here. */
export interface OpeningObserver {
  /** An envelope under a held key, whether or not its tag verified. */
  tagChecked?(facts: TagCheck): void;
  /**
   * An authentic envelope that is not a copy: its tag verified, and the guard found it fresh, or it answers the waiting request. `ms` is
   * the time of verifying only; `skewMs` is our time less the sealer's.
   */
  verified?(facts: { readonly phase: Phase; readonly provider: string; ms: number; skewMs: number }): void;
  released(facts: { readonly phase: Phase; readonly provider: string }): void;
  /** `provider` comes from the subject or the request, never from an unverified header. */
  refused(facts: { readonly phase: Phase; readonly provider: string; readonly reason: Refusal }): void;
}

export interface TagCheck {
  readonly phase: Phase;
  readonly provider: string;
  readonly intent: string;
  readonly kid: string;
  readonly verified: boolean;
}
