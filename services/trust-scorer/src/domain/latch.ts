import {
  type ClearingEvent,
  type IntegrityEvent,
  LATCH_TELLERS_MAX,
  type ProviderTrust,
  type TellerTrust,
} from "@scbe/contracts";

type Latch = NonNullable<TellerTrust["latch"]>;
type LatchForAll = NonNullable<ProviderTrust["latch"]>;

/** With a nonce reuse, as a replay guard has seen it: it holds for all. */
export function latchByReuse(trust: ProviderTrust, event: IntegrityEvent, at: number): ProviderTrust {
  return latchForAll({ ...trust, doubts: trust.doubts + 1, reuse: latched(trust, trust.reuse, event, at) });
}

/** With an integrity failure that a teller saw: it holds for this teller, and for all once the quorum says so. */
export function latchByTeller(trust: ProviderTrust, { teller, row, event, at }: Saw): ProviderTrust {
  const tellers = { ...trust.tellers, [teller]: { ...row, latch: latched(trust, row.latch, event, at) } };
  return latchForAll({ ...trust, doubts: trust.doubts + 1, tellers });
}

export interface Saw {
  readonly teller: string;
  readonly row: TellerTrust;
  readonly event: IntegrityEvent;
  readonly at: number;
}

/** A latch that stands keeps its beginning, and names the newest event. */
function latched(trust: ProviderTrust, before: Latch | null, { id }: IntegrityEvent, at: number): Latch {
  return { since: before?.since ?? at, event: id, n: trust.doubts + 1 };
}

/**
 * With the latch for all that a guard or the quorum of tellers says. One that stands never ends here, even if a larger quorum would be needed by now. It
 * names the newest event of when the quorum was complete, and another one only once a guard or a quorum of tellers has reported anew: reports of a single
 * teller, however many, do not change what a person has to clear.
 */
export function latchForAll(trust: ProviderTrust): ProviderTrust {
  const before = trust.latch;
  const { tellers, reuse, quorum } = trust;
  const told = Object.entries(tellers)
    .flatMap(([teller, { latch }]) => (latch === null ? [] : [{ teller, latch }]))
    .toSorted((one, other) => other.latch.n - one.latch.n);
  const completing = told[quorum.needs - 1]?.latch;
  if (Math.max(completing?.n ?? 0, reuse?.n ?? 0) <= (before?.n ?? 0)) return trust;
  const byTellers = completing === undefined ? undefined : latchOf(told, quorum.needs);
  const byGuard: LatchForAll | null = reuse && { ...reuse, cause: "nonce_reuse", tellers: [] };
  const newest = byGuard !== null && byGuard.n > (byTellers?.n ?? 0) ? byGuard : byTellers;
  return newest === undefined
    ? trust
    : { ...trust, latch: { ...newest, since: before?.since ?? newest.since } };
}

/** The latch that so many tellers make, the newest first. It begins with the one that completed the quorum. */
function latchOf(told: readonly Told[], needs: number): LatchForAll | undefined {
  const [newest] = told;
  if (newest === undefined) return undefined;
  const begins = told.map(({ latch }) => latch.since).toSorted((one, other) => one - other);
  const names = told.map(({ teller }) => teller).toSorted();
  return {
    ...newest.latch,
    cause: "bound_response_fails",
    since: begins[needs - 1] as number,
    tellers: names.slice(0, LATCH_TELLERS_MAX),
  };
}

interface Told {
  readonly teller: string;
  readonly latch: Latch;
}

/**
 * Without the latches that a person has looked at: that of the event which is named, and every one that is older, of all tellers. Something newer
 * stays, and holds for all where the quorum says so.
 */
export function clearLatch(trust: ProviderTrust, { clears }: ClearingEvent): ProviderTrust {
  const cleared = latchesOf(trust).find(({ event }) => event === clears);
  if (cleared === undefined) return trust;
  const left = <T extends Latch>(latch: T | null): T | null =>
    latch !== null && latch.n > cleared.n ? latch : null;
  const rows = Object.entries(trust.tellers).map(
    ([teller, row]) => [teller, { ...row, latch: left(row.latch) }] as const,
  );
  const reuse = left(trust.reuse);
  const still = latchForAll({ ...trust, tellers: Object.fromEntries(rows), reuse, latch: left(trust.latch) });
  const { latch, ...rest } = still;
  return { ...rest, latch: latch && { ...latch, since: trust.latch?.since ?? latch.since } };
}

/** All latches of a provider: that for all, the guard's, and each teller's own. */
function latchesOf({ latch, reuse, tellers }: ProviderTrust): Latch[] {
  const own = Object.values(tellers).map((row) => row.latch);
  return [latch, reuse, ...own].filter((it) => it !== null);
}
