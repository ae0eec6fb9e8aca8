/** Who leads, as the store has it. */
export interface LeaderRecord {
  readonly v: 1;
  /** Of a process, drawn when it starts; empty: it has stepped down, and anybody may follow. */
  readonly id: string;
  /** One more with each leader. */
  readonly term: number;
}

/** What a process has seen there. */
export interface LeaderSight {
  /** undefined: nobody has ever led. */
  readonly record: LeaderRecord | undefined;
  /** When it first saw this very revision, by its own monotonic clock. */
  readonly sinceMs: number;
}

/** What to do about it; `write` is a compare-and-set on what was seen. */
export type LeadStep =
  | { readonly do: "write"; readonly record: LeaderRecord }
  /** Somebody else leads. */
  | { readonly do: "stand by" };

/**
 * Renews one's own leadership, or takes over once the record has not changed for `leaderMs`. No two clocks are compared:
 * whoever leads has stopped at two thirds of that time after it began to write what was seen here.
 */
export function lead(
  id: string,
  { record, sinceMs }: LeaderSight,
  { nowMs, leaderMs }: { readonly nowMs: number; readonly leaderMs: number },
): LeadStep {
  if (record?.id === id) return { do: "write", record };
  const isFree = record === undefined || record.id === "" || nowMs - sinceMs >= leaderMs;
  return isFree ? { do: "write", record: { v: 1, id, term: (record?.term ?? 0) + 1 } } : { do: "stand by" };
}

/** How long one leads after it *began* to write its record: what is left of the time keeps two from leading at once. */
export function leadsForMs(leaderMs: number): number {
  return (leaderMs * 2) / 3;
}
