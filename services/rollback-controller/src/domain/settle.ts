import type { ControlState } from "@scbe/contracts";
import { type ControlDocument, supersedes } from "@scbe/envelope/control";
import { addKills, type Engaging, engageKill } from "./engage-kill.ts";
import type { StoredBefore } from "./next-document.ts";

/** What a controller knows, at one time. */
export interface Standing {
  /** In the store; undefined: nothing is. */
  readonly stored: ControlDocument | undefined;
  /** The highest that this controller has ever held; undefined: none. */
  readonly held: ControlDocument | undefined;
  /** Kills of its own that no stored document had yet. */
  readonly pending: readonly Engaging[];
  /** What holds where there is neither. */
  readonly first: ControlState;
}

/** What a further document is made from. */
export interface Basis {
  readonly state: ControlState;
  /** The newest stored document that went into it; `after` and `after_digest` of what is made from it. */
  readonly after: StoredBefore;
  /** The highest generation in it. */
  readonly previous: number;
}

/** What brings the store and what is held together. */
export type Settling =
  | { readonly do: "nothing" }
  /** What is held goes into the store as it was signed. */
  | { readonly do: "keep"; readonly document: ControlDocument }
  | { readonly do: "issue"; readonly basis: Basis };

/**
 * What the store must have next. Nothing that was stored is lost but for what is older than what is held, and no kill that was
 * sent is lost at all: one that did not know of what is stored is engaged again on top of that.
 */
export function settle(standing: Standing): Settling {
  const basis = basisOf(standing);
  const { stored, held } = standing;
  // What verifiers have taken instead is to give way, also where the store lacks nothing of it.
  const isHeldNewer = stored !== undefined && held !== undefined && supersedes(held, stored);
  if (stored !== undefined && basis.state === stored.state && !isHeldNewer) return { do: "nothing" };
  if (held !== undefined && basis.state === held.state) return { do: "keep", document: held };
  return { do: "issue", basis };
}

/** What a change is to be applied to. */
export function basisOf({ stored, held, pending, first }: Standing): Basis {
  const previous = Math.max(stored?.state.generation ?? 0, held?.state.generation ?? 0);
  const withKills = (state: ControlState): ControlState => pending.reduce(engageKill, state);
  if (stored === undefined || (held !== undefined && isOnTopOf(held, stored))) {
    return { state: withKills(held?.state ?? first), after: storedBefore(stored, held), previous };
  }
  const isHeldNewer = held !== undefined && supersedes(held, stored);
  const state = isHeldNewer ? addKills(stored.state, held.state) : stored.state;
  return { state: withKills(state), after: storedBefore(stored), previous };
}

/**
 * True when a newer document was made with the stored one known: then it stands for both. Otherwise it is a kill that was sent while
 * somebody else wrote.
 */
function isOnTopOf(held: ControlDocument, stored: ControlDocument): boolean {
  return supersedes(held, stored) && afterOf(held) >= stored.state.generation;
}

/** The stored document; where nothing is stored, the one that went into what is held. */
function storedBefore(stored: ControlDocument | undefined, held?: ControlDocument): StoredBefore {
  if (stored !== undefined) return { generation: stored.state.generation, digest: stored.digest };
  return held === undefined
    ? { generation: 0 }
    : { generation: afterOf(held), digest: held.state.after_digest };
}

function afterOf({ state }: ControlDocument): number {
  return state.after ?? state.generation;
}
