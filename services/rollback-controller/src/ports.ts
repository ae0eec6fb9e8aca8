import type { ControlState, KillCause } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";

/** The author of a change and the reason, for the audit. */
export interface Actor {
  /** The name of a token, `alert:<name>`, `security event`, `canary`. */
  readonly by: string;
  readonly reason: string;
}

/**
 * From the state in force to the next one; the same object changes nothing. It is pure, because it runs again on a newer state if another
 * writer was quicker. It leaves generation and time of issue alone.
 * @throws ScbeError BAD_REQUEST or CONFLICT if it does not apply to this state
 */
export type Change = (state: ControlState) => ControlState;

export interface Changed {
  readonly before: ControlState;
  readonly after: ControlState;
}

/** The scope of a kill and its cause. */
export interface KillOrder {
  /** Absent: everything. */
  readonly provider?: string;
  readonly cause: KillCause;
}

/** The control document: every change of it goes through here. */
export interface ControlPlane {
  /** The document in force; undefined until the store was read. */
  readonly current: ControlDocument | undefined;
  /**
   * Applies a change to the stored document, then broadcasts it. No update is lost if several controllers write.
   * @throws ScbeError what the change throws; NOT_READY or DISCONNECTED if the store does not accept it
   */
  change(change: Change, actor: Actor): Promise<Changed>;
  /**
   * Engages the kill switch. The kill is broadcast at once, stored at the same time, and applied again on top of concurrent writes. Resolves
   * once it was sent, stored or not; storing goes on. A second kill of the same scope changes nothing, except that an integrity cause
   * replaces an availability cause.
   */
  kill(order: KillOrder, actor: Actor): Promise<Changed>;
  /** Runs after each change of {@link current}, from any controller. */
  onChange(listener: (document: ControlDocument) => void): Disposable;
  /** What verifiers have confirmed to this controller; empty if it does not lead. */
  verifiers(): readonly VerifierReport[];
  /** The users whose verifiers have to confirm. */
  audience(): Audience;
}

/** The users whose verifiers a controller hears, and how completely. */
export interface Audience {
  /**
   * `none`: it does not lead. `some`: it has led for less than a lease time. `all`: it has led for a lease time, in which every verifier
   * with a lease sends a request.
   */
  readonly hears: "none" | "some" | "all";
  /** Users of the deployment that may request leases. */
  readonly expected: readonly string[];
  /** Those of them with more verifiers than are counted. */
  readonly crowded: readonly string[];
  /** Those of them with more verifiers than the previous leading controller could name: some may be silent. */
  readonly unnamed: readonly string[];
  /** False: the verifiers that earlier leaders heard could not be read, so any user may have silent ones. */
  readonly recalls: boolean;
}

/** One verifier, by its last lease request. */
export interface VerifierReport {
  /** The user that it belongs to. */
  readonly name: string;
  /** What it held at its last request; undefined: nothing yet, or, if it is stale, unknown because another controller heard it. */
  readonly generation: number | undefined;
  /** Its own configuration lets it send or serve unsealed traffic. */
  readonly permitsFallback: boolean;
  /** `converged`: holds the document in force; `behind`: holds another one; `stale`: sent no request within its lease time. */
  readonly state: "converged" | "behind" | "stale";
  /** ms since its last request */
  readonly ageMs: number;
}

/** One change, for the append-only audit. */
export interface AuditRecord extends Actor {
  /** ms since the Unix epoch */
  readonly at: number;
  /** `flags`, `kill`, `release`, `skew-window`, `canary`, `webhook`, ... */
  readonly action: string;
  /** JSON values; absent if nothing was changed. */
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface Audit {
  /** Queues a record and stores it in order. Never throws, and no caller waits for the store. */
  append(record: AuditRecord): void;
  /** The newest entries, newest first. @throws ScbeError NOT_READY or DISCONNECTED */
  read(options: { readonly limit: number; readonly before?: number }): Promise<readonly AuditEntry[]>;
}

/** A stored record: its number and its place in the hash chain. */
export interface AuditEntry extends AuditRecord {
  readonly seq: number;
  /** base64url of SHA-256, of the previous entry and of this one */
  readonly previous: string;
  readonly hash: string;
}
