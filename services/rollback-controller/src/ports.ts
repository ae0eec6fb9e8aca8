import type { ControlState, KillCause } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";

/** Who changes something, and why: for the audit. */
export interface Actor {
  /** A token's name, `alert:<name>`, `security event`, `canary`. */
  readonly by: string;
  readonly reason: string;
}

/**
 * From the state in force to the next one; the same object: nothing is to change. Pure, since it runs again on a newer state when
 * somebody else wrote first. Generation and time of issue are not its business.
 * @throws ScbeError BAD_REQUEST or CONFLICT when it cannot be applied to this state
 */
export type Change = (state: ControlState) => ControlState;

export interface Changed {
  readonly before: ControlState;
  readonly after: ControlState;
}

/** What is to be taken out of the path, and why. */
export interface KillOrder {
  /** Absent: everything. */
  readonly provider?: string;
  readonly cause: KillCause;
}

/** The control document: every change of it goes through here. */
export interface ControlPlane {
  /** What is in force; undefined until the store was read. */
  readonly current: ControlDocument | undefined;
  /**
   * Applies a change to what is stored, then broadcasts it. No update is lost, whoever else writes.
   * @throws ScbeError what the change throws; NOT_READY or DISCONNECTED when the store does not take it
   */
  change(change: Change, actor: Actor): Promise<Changed>;
  /**
   * Engages the kill switch: it is broadcast at once and stored at the same time, and applied again on top of whatever was written
   * concurrently. Resolves when it was sent, stored or not; it goes on storing it. Killing what is killed already changes nothing, but
   * an integrity cause takes the place of an availability cause, never the other way round.
   */
  kill(order: KillOrder, actor: Actor): Promise<Changed>;
  /** Runs after each change of {@link current}, whoever made it. */
  onChange(listener: (document: ControlDocument) => void): Disposable;
  /** What verifiers have acknowledged, as far as this controller has heard of them; none where it does not lead. */
  verifiers(): readonly VerifierReport[];
  /** Whose verifiers have to acknowledge. */
  audience(): Audience;
}

/** Whose verifiers a controller hears, and how well. */
export interface Audience {
  /**
   * `none`: it does not lead; `some`: it has led for less than a lease time, in which every verifier that has a lease asks; `all`
   */
  readonly hears: "none" | "some" | "all";
  /** Users of the deployment that may ask for leases. */
  readonly expected: readonly string[];
  /** Of them those with more verifiers than are counted. */
  readonly crowded: readonly string[];
  /** Of them those of whom the controller that led before has heard more than it could name: some may be silent. */
  readonly unnamed: readonly string[];
  /** False: which verifiers were heard before this controller led could not be read, so that any user may have silent ones. */
  readonly recalls: boolean;
}

/** One verifier, by its last question for a lease. */
export interface VerifierReport {
  /** Of its user. */
  readonly name: string;
  /** What it held when it last asked; undefined: nothing yet, or where it is stale: not known here, another controller has heard it. */
  readonly generation: number | undefined;
  /** Its own configuration lets it send or serve what goes unsealed. */
  readonly permitsFallback: boolean;
  /** `converged`: holds what is in force, and asked within its lease time; `behind`: asked, and holds something else; `stale`: did not ask. */
  readonly state: "converged" | "behind" | "stale";
  /** ms since it last asked */
  readonly ageMs: number;
}

/** One change, for the append-only audit. */
export interface AuditRecord extends Actor {
  /** ms since the Unix epoch */
  readonly at: number;
  /** `flags`, `kill`, `release`, `skew-window`, `canary`, `webhook`, ... */
  readonly action: string;
  /** JSON values; absent where nothing is changed. */
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface Audit {
  /** Takes it at once and stores it in order, in its own time; never throws, and nothing waits for it. */
  append(record: AuditRecord): void;
  /** The newest entries, newest first. @throws ScbeError NOT_READY or DISCONNECTED */
  read(options: { readonly limit: number; readonly before?: number }): Promise<readonly AuditEntry[]>;
}

/** A record as it is stored: its number, and the hash chain that it stands in. */
export interface AuditEntry extends AuditRecord {
  readonly seq: number;
  /** base64url of SHA-256, of the entry before and of this one */
  readonly previous: string;
  readonly hash: string;
}

/** Where the control document lives. */
export interface ControlStore {
  /**
   * What is stored now; undefined: nothing.
   * @throws UnusableRecord FORBIDDEN when it is a control document that this controller has not signed for this environment; or what the bus
   *   throws
   */
  read(): Promise<StoredControl | UnreadableControl | undefined>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when somebody else wrote first. */
  write(document: ControlDocument, revision: number | undefined): Promise<number | undefined>;
  /** Runs when what is stored may have changed. */
  watch(listener: () => void): AsyncDisposable;
}

/** What is stored is no control document at all. */
export interface UnreadableControl {
  readonly document: undefined;
  /** The newest one before it that can be read. */
  readonly former: ControlDocument | undefined;
  readonly revision: number;
}

export interface StoredControl {
  readonly document: ControlDocument;
  readonly revision: number;
}
