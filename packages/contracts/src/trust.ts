import { z } from "zod";
import { CONTROL_PROVIDERS_MAX } from "./control.ts";
import { INTEGER_MAX, Time } from "./message.ts";
import { Name } from "./names.ts";
import { CalibrationEvent, INTEGRITY_CAUSES, NonceReuseEvent } from "./trust-events.ts";

const Count = z.int().min(0).max(INTEGER_MAX);
const EventId = NonceReuseEvent.shape.id;

const LATCH = {
  since: Time,
  /** The newest event that reports it. */
  event: EventId,
  /** The number of that event among all integrity failures of this provider. */
  n: Count,
};

/** A provider by the reports of one teller. Times are the stream's, in ms since the Unix epoch. */
export const TellerTrust = z.strictObject({
  /** Evidence against its quality, from 0 up. */
  w: z.number().min(0),
  /** Outcomes that went into it. */
  samples: Count,
  /** How often this teller's evidence excluded it since the last calibration of the provider. */
  exclusions: Count,
  /** The last exclusion; it is kept after its end, since probation is measured from it. */
  exclusion: z.strictObject({ since: Time, until: Time }).nullable(),
  /** An integrity failure that this teller saw; lasts until an operator clears it. */
  latch: z.strictObject(LATCH).nullable(),
  /** Its last report. */
  at: Time,
});
export type TellerTrust = z.infer<typeof TellerTrust>;

/** How many tellers the latch of a provider can name. */
export const LATCH_TELLERS_MAX = 8;

/** What is known of one provider. */
export const ProviderTrust = z.strictObject({
  /** By teller; one without reports has no row. */
  tellers: z.record(Name, TellerTrust),
  /** How many tellers must agree before their reports hold for all, and how many tellers the provider has. */
  quorum: z.strictObject({ needs: z.int().min(1).max(2), of: Count }),
  /** The number of integrity failures so far. */
  doubts: Count,
  /** The last nonce reuse that a replay guard reported, until an operator clears it. */
  reuse: z.strictObject(LATCH).nullable(),
  /** In force for all, until an operator clears it. */
  latch: z
    .strictObject({
      ...LATCH,
      cause: z.enum(INTEGRITY_CAUSES),
      /** The tellers whose reports set it; empty for a nonce reuse. */
      tellers: z.array(Name).max(LATCH_TELLERS_MAX),
    })
    .nullable(),
  /** The last calibration, for all tellers. */
  calibration: CalibrationEvent.pick({ score: true, reason: true, by: true, at: true }).nullable(),
});
export type ProviderTrust = z.infer<typeof ProviderTrust>;

/** A position in the trust stream. */
export const StreamPlace = z.strictObject({
  /** When the stream was created: numbers of another stream are unrelated. */
  created: z.string().max(64),
  /** The last message that was applied; 0 for none. */
  seq: Count,
});
export type StreamPlace = z.infer<typeof StreamPlace>;

/** The document that verifiers hold. A provider that it does not name is trusted. */
export const TrustDocument = z.strictObject({
  v: z.literal(1),
  stream: StreamPlace,
  providers: z
    .record(Name, ProviderTrust)
    .refine((it) => Object.keys(it).length <= CONTROL_PROVIDERS_MAX, "names too many providers"),
});
export type TrustDocument = z.infer<typeof TrustDocument>;

/** Evidence at which a provider is excluded. */
export const TRUST_LIMIT = 6.5;
/** The probation: percent of its traffic that a provider gets back in each step; after the last step all of it. */
export const PROBATION_SHARES = [5, 25, 50] as const;
/** The evidence of the lowest score above 0, which does not exclude by itself. */
const W_BELOW_LIMIT = TRUST_LIMIT - 1e-5;

/** How many of a provider's tellers must agree before their reports hold for all. */
export function quorumOf(tellers: number): number {
  return Math.max(1, Math.min(2, tellers));
}

/** A provider without any reports. */
export const UNKNOWN_PROVIDER: ProviderTrust = {
  tellers: {},
  quorum: { needs: 2, of: 0 },
  doubts: 0,
  reuse: null,
  latch: null,
  calibration: null,
};

/** The trust in a provider. */
export function trustIn({ providers }: Pick<TrustDocument, "providers">, provider: string): ProviderTrust {
  const known = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return known ?? UNKNOWN_PROVIDER;
}

/** A provider by the reports of one teller; undefined without reports. */
export function tellerIn({ tellers }: ProviderTrust, teller: string): TellerTrust | undefined {
  return Object.hasOwn(tellers, teller) ? tellers[teller] : undefined;
}

/** True after an operator took the provider out, until a further calibration. */
export function isTakenOut({ calibration }: ProviderTrust): boolean {
  return calibration?.score === 0;
}

/** The evidence that a teller without reports starts with: a calibration holds for all tellers. */
export function startingEvidence({ calibration }: ProviderTrust): number {
  if (calibration === null) return 0;
  return Math.min(roundEvidence((1 - calibration.score) * TRUST_LIMIT), W_BELOW_LIMIT);
}

/** Evidence is counted in hundred-thousandths, as weights are, so that sums are exact in any order. */
export function roundEvidence(w: number): number {
  return Math.round(w * 1e5) / 1e5;
}

/** True when the provider is refused for its integrity: for all, or for this teller. */
export function isLatched(trust: ProviderTrust, teller?: string): boolean {
  if (trust.latch !== null) return true;
  return teller !== undefined && (tellerIn(trust, teller)?.latch ?? null) !== null;
}

/**
 * From 0 (not to be used) to 1 (fully trusted), for metrics and people. The quorum must agree on it, so that no single teller moves it. With `teller`:
 * the lower of that and the teller's own.
 */
export function trustScore(trust: ProviderTrust, now: number, teller?: string): number {
  if (isLatched(trust, teller) || isTakenOut(trust)) return 0;
  const start = scoreOf(startingEvidence(trust));
  const own = teller === undefined ? undefined : tellerIn(trust, teller);
  const forAll = agreed(trust, (row) => tellerScore(row, now), start);
  return own === undefined ? forAll : Math.min(forAll, tellerScore(own, now));
}

/**
 * Percent of its traffic that a provider gets at `now`: 0 while it is excluded, then each step of its probation for as long as the exclusion
 * lasted. Steps need no samples, since a provider with few requests would never come back; failures in a step exclude it again. A request is inside
 * the share by `isInside(trustLabel(provider), requestId, share)` of `@scbe/envelope/control`; one outside goes to the provider only if no other
 * candidate is left and there is no latch. The quorum must agree on the share; with `teller` it is the lower of that and the teller's own.
 */
export function trustShare(trust: ProviderTrust, now: number, teller?: string): number {
  if (isLatched(trust, teller) || isTakenOut(trust)) return 0;
  const own = teller === undefined ? undefined : tellerIn(trust, teller);
  const forAll = agreed(trust, (row) => tellerShare(row, now), 100);
  return own === undefined ? forAll : Math.min(forAll, tellerShare(own, now));
}

/** An exclusion for quality that holds for all. */
export interface ExclusionForAll {
  /** When the quorum was reached. */
  readonly since: number;
  /** When the quorum ends. */
  readonly until: number;
  /** The tellers whose evidence excludes it, in the order of their exclusions. */
  readonly tellers: readonly string[];
}

/** The exclusion by the quorum of tellers at `at`. A calibration is not one. */
export function exclusionForAll({ tellers, quorum }: ProviderTrust, at: number): ExclusionForAll | undefined {
  const out = Object.entries(tellers)
    .flatMap(([teller, { exclusion }]) =>
      exclusion !== null && exclusion.since <= at && at < exclusion.until ? [{ teller, ...exclusion }] : [],
    )
    .toSorted((one, other) => one.since - other.since);
  const last = out[quorum.needs - 1];
  if (last === undefined) return undefined;
  const ends = out.map(({ until }) => until).toSorted((one, other) => other - one);
  return {
    since: last.since,
    until: ends[quorum.needs - 1] as number,
    tellers: out.map(({ teller }) => teller),
  };
}

/** True while a provider is excluded for its quality, for all. */
export function isExcluded(trust: ProviderTrust, at: number): boolean {
  return isTakenOut(trust) || agreed(trust, (row) => (isExcludedBy(row, at) ? 0 : 1), 1) === 0;
}

/** True while this teller's evidence excludes the provider. */
export function isExcludedBy({ exclusion }: TellerTrust, at: number): boolean {
  return exclusion !== null && at < exclusion.until;
}

/** The score by one teller's evidence of quality alone. */
export function tellerScore(row: TellerTrust, now: number): number {
  return isExcludedBy(row, now) ? 0 : scoreOf(row.w);
}

/** The share by one teller's evidence of quality alone. */
export function tellerShare(row: TellerTrust, now: number): number {
  const { exclusion } = row;
  if (isExcludedBy(row, now)) return 0;
  if (exclusion === null) return 100;
  const step = Math.floor((now - exclusion.until) / (exclusion.until - exclusion.since));
  return PROBATION_SHARES[step] ?? 100;
}

/** Outcomes that all tellers reported. */
export function samplesOf({ tellers }: ProviderTrust): number {
  return Object.values(tellers).reduce((sum, { samples }) => sum + samples, 0);
}

/** The label of a provider's trust share. No provider can have it as its name, so that this share and the flag's are independent. */
export function trustLabel(provider: string): string {
  return `trust/${provider}`;
}

/** The lowest value at which a quorum of tellers is at or below it; a teller without a row has `start`. */
function agreed(
  { tellers, quorum: { needs, of } }: ProviderTrust,
  read: (row: TellerTrust) => number,
  start: number,
): number {
  const values = Object.values(tellers).map(read);
  const silent = Math.min(needs, Math.max(0, of - values.length));
  for (let n = 0; n < silent; n += 1) values.push(start);
  return values.toSorted((one, other) => one - other)[needs - 1] ?? start;
}

function scoreOf(w: number): number {
  return Math.max(0, 1 - w / TRUST_LIMIT);
}
