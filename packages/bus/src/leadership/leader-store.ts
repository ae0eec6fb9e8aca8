import type { LeaderRecord } from "./lead.ts";

/** Where equal processes agree on who of them leads. */
export interface LeaderStore {
  /** What is stored now; undefined: nothing that can be read. */
  read(): Promise<StoredLeader>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when somebody else wrote first. */
  write(record: LeaderRecord, revision: number | undefined): Promise<number | undefined>;
  watch(listener: (record: LeaderRecord | undefined) => void): AsyncDisposable;
}

export interface StoredLeader {
  readonly record: LeaderRecord | undefined;
  /** undefined: there is no record at all. */
  readonly revision: number | undefined;
}

/** Whether this process leads. */
export interface Leading {
  /** By its own monotonic clock, so that one that was frozen does not lead when it goes on. */
  readonly leading: boolean;
  /** Runs after each change of {@link leading}. */
  onChange(listener: (leading: boolean) => void): Disposable;
}
