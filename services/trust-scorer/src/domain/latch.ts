import {
  type ClearingEvent,
  type IntegrityEvent,
  LATCH_TELLERS_MAX,
  type ProviderTrust,
  type TellerTrust,
} from "@scbe/contracts";

type Latch = NonNullable<TellerTrust["latch"]>;
type LatchForAll = NonNullable<ProviderTrust["latch"]>;

/** Sets the latch of a nonce reuse, which a replay guard reports: it holds for all tellers. */
export function latchByReuse(trust: ProviderTrust, event: IntegrityEvent, at: number): ProviderTrust {
  return latchForAll({ ...trust, doubts: trust.doubts + 1, reuse: latched(trust, trust.reuse, event, at) });
}

/** Sets the latch of one teller, by an integrity failure that it reports. It holds for all tellers once the quorum has one. */
export function latchByTeller(
  trust: ProviderTrust,
  { teller, row, event, at }: IntegrityReport,
): ProviderTrust {
  const tellers = { ...trust.tellers, [teller]: { ...row, latch: latched(trust, row.latch, event, at) } };
  return latchForAll({ ...trust, doubts: trust.doubts + 1, tellers });
}

export interface IntegrityReport {
  readonly teller: string;
  readonly row: TellerTrust;
  readonly event: IntegrityEvent;
  readonly at: number;
}

/** A latch that exists keeps its beginning, and names the newest event. */
function latched(trust: ProviderTrust, before: Latch | null, { id }: IntegrityEvent, at: number): Latch {
  return { since: before?.since ?? at, event: id, n: trust.doubts + 1 };
}

/**
 * Sets the latch for all by the guard's latch or the quorum of tellers. An existing one never ends here, even if the quorum has grown since.
 * It names the newest event at the time the quorum was complete, and a newer one only after a guard or a quorum of tellers has reported
 * again: any number of reports of a single teller does not change the event that an operator has to clear.
 */
export function latchForAll(trust: ProviderTrust): ProviderTrust {
  const before = trust.latch;
  const { tellers, reuse, quorum } = trust;
  const reports = Object.entries(tellers)
    .flatMap(([teller, { latch }]) => (latch === null ? [] : [{ teller, latch }]))
    .toSorted((one, other) => other.latch.n - one.latch.n);
  const completing = reports[quorum.needs - 1]?.latch;
  if (Math.max(completing?.n ?? 0, reuse?.n ?? 0) <= (before?.n ?? 0)) return trust;
  const byTellers = completing === undefined ? undefined : latchOf(reports, quorum.needs);
  const byGuard: LatchForAll | null = reuse && { ...reuse, cause: "nonce_reuse", tellers: [] };
  const newest = byGuard !== null && byGuard.n > (byTellers?.n ?? 0) ? byGuard : byTellers;
  return newest === undefined
    ? trust
    : { ...trust, latch: { ...newest, since: before?.since ?? newest.since } };
}

interface TellerLatch {
  readonly teller: string;
  readonly latch: Latch;
}

/**
 * The latch for all of these tellers' latches. It begins with the one that completed the quorum.
 * @param reports the newest first
 */
function latchOf(reports: readonly TellerLatch[], needs: number): LatchForAll | undefined {
  const [newest] = reports;
  if (newest === undefined) return undefined;
  const begins = reports.map(({ latch }) => latch.since).toSorted((one, other) => one - other);
  const names = reports.map(({ teller }) => teller).toSorted();
  return {
    ...newest.latch,
    cause: "bound_response_fails",
    since: begins[needs - 1] as number,
    tellers: names.slice(0, LATCH_TELLERS_MAX),
  };
}

/**
 * Clears the latch of the named event, and every older one, of all tellers: those that the operator has seen. Newer latches stay, and hold
 * for all if the quorum has one.
 */
export function clearLatch(trust: ProviderTrust, { clears }: ClearingEvent): ProviderTrust {
  const cleared = latchesOf(trust).find(({ event }) => event === clears);
  if (cleared === undefined) return trust;
  const newerThanCleared = <T extends Latch>(latch: T | null): T | null =>
    latch !== null && latch.n > cleared.n ? latch : null;
  const rows = Object.entries(trust.tellers).map(
    ([teller, row]) => [teller, { ...row, latch: newerThanCleared(row.latch) }] as const,
  );
  const { latch, ...rest } = latchForAll({
    ...trust,
    tellers: Object.fromEntries(rows),
    reuse: newerThanCleared(trust.reuse),
    latch: newerThanCleared(trust.latch),
  });
  return { ...rest, latch: latch && { ...latch, since: trust.latch?.since ?? latch.since } };
}

/** All latches of a provider: that for all, the guard's, and each teller's. */
function latchesOf({ latch, reuse, tellers }: ProviderTrust): Latch[] {
  const own = Object.values(tellers).map((row) => row.latch);
  return [latch, reuse, ...own].filter((it) => it !== null);
}
