import {
  exclusionForAll,
  INTEGRITY_CAUSES,
  isExcludedBy,
  isTakenOut,
  PROBATION_SHARES,
  type ProviderTrust,
  samplesOf,
  type TellerTrust,
  type TrustDocument,
  tellerScore,
  tellerShare,
  trustIn,
  trustScore,
  trustShare,
} from "@scbe/contracts";
import { z } from "zod";

const At = z.iso.datetime();

/** What one teller's reports say about a provider. */
const TellerRow = z
  .object({
    teller: z.string().describe("A user of the bus; its replicas are one"),
    trust_score: z.number().describe("By its own reports of quality alone"),
    share: z.number().describe("Percent of its own requests that its reports leave the provider"),
    samples: z.int().describe("Outcomes that went into its score"),
    exclusions: z.int().describe("By its reports, since a person last calibrated the provider"),
    excluded_until: At.nullable().describe("While its reports exclude the provider"),
    latch: z
      .object({ since: At, event: z.string() })
      .nullable()
      .describe("It saw the provider's integrity fail; POST /admin/scbe/trust clears this event"),
    last_report: At,
  })
  .meta({ id: "TellerTrust" });

/** The trust of one provider. */
export const TrustRow = z
  .object({
    provider: z.string(),
    trust_score: z.number().describe("0 (not to be used) to 1 (nothing speaks against it), for all"),
    share: z.number().describe("Percent of its requests that go to it while there are others, for all"),
    ledger: z
      .enum(["quality", "integrity"])
      .nullable()
      .describe("What keeps it down for all; null: nothing does"),
    cause: z
      .enum([...INTEGRITY_CAUSES, "outcomes", "calibration", "probation"])
      .nullable()
      .describe(
        "Of that: the signal of a latch; its outcomes; a person's word; the way back after an exclusion",
      ),
    since: At.nullable(),
    until: At.nullable().describe("When it ends by itself; null: when a person speaks"),
    samples: z.int().describe("Outcomes that all tellers reported"),
    quorum: z
      .object({ needs: z.int(), of: z.int() })
      .describe("How many of its tellers must agree before what they say holds for all"),
    missing: z
      .object({ exclusion: z.int(), latch: z.int() })
      .describe("How many more tellers must exclude or latch it before that holds for all; 0: it holds"),
    latch: z
      .object({ cause: z.enum(INTEGRITY_CAUSES), since: At, event: z.string(), tellers: z.array(z.string()) })
      .nullable()
      .describe("For all: stands until POST /admin/scbe/trust clears this event"),
    calibration: z
      .object({ score: z.number(), reason: z.string(), at: At })
      .nullable()
      .describe("The last word of a person, for all tellers; who that was, the audit tells"),
    tellers: z.array(TellerRow).describe("Who told what; a teller that reported nothing is not listed"),
  })
  .meta({ id: "ProviderTrust" });
export type TrustRow = z.infer<typeof TrustRow>;

/** Answer of `GET /metrics/scbe/trust-scores`. */
export const TrustScores = z
  .object({
    at: At,
    scbe_trust_score_avg: z.number().describe("The mean of all providers"),
    heard: z.boolean().describe("Whether a trust scorer speaks now"),
    note: z.string().nullable().describe("What to know where none does"),
    stream: z
      .object({ created: z.string(), seq: z.int() })
      .nullable()
      .describe("How much of the trust stream is in it; null: no scorer has been heard of"),
    providers: z.array(TrustRow),
  })
  .meta({ id: "TrustScores" });
export type TrustScores = z.infer<typeof TrustScores>;

export interface TrustFacts {
  readonly document: TrustDocument | undefined;
  readonly isHeard: boolean;
  readonly note: string | undefined;
}

export interface TrustSetting {
  /** Not empty. */
  readonly providers: readonly string[];
  /** ms since the Unix epoch */
  readonly now: number;
}

/** The trust of all providers of the deployment. Without a document each is fully trusted. */
export function viewTrustScores(
  { document, isHeard, note }: TrustFacts,
  { providers, now }: TrustSetting,
): TrustScores {
  const rows = providers.map((provider) => viewTrustRow(document, provider, now));
  return {
    at: timeOf(now),
    scbe_trust_score_avg: rows.reduce((sum, row) => sum + row.trust_score, 0) / rows.length,
    heard: isHeard,
    note: note ?? null,
    stream: document?.stream ?? null,
    providers: rows,
  };
}

/** The trust of one provider at `now`, ms since the Unix epoch, for all and by each teller. */
export function viewTrustRow(document: TrustDocument | undefined, provider: string, now: number): TrustRow {
  const trust = trustIn(document ?? NOTHING_KNOWN, provider);
  const { quorum, latch, calibration } = trust;
  const tellers = Object.entries(trust.tellers)
    .map(([teller, row]) => viewTeller(teller, row, now))
    .toSorted((one, other) => (one.teller < other.teller ? -1 : 1));
  return {
    provider,
    trust_score: trustScore(trust, now),
    share: trustShare(trust, now),
    ...restriction(trust, now),
    samples: samplesOf(trust),
    quorum,
    missing: missingIn(trust, now),
    latch: latch && {
      cause: latch.cause,
      since: timeOf(latch.since),
      event: latch.event,
      tellers: latch.tellers,
    },
    calibration: calibration && {
      score: calibration.score,
      reason: calibration.reason,
      at: timeOf(calibration.at),
    },
    tellers,
  };
}

const NOTHING_KNOWN = { providers: {} };

function viewTeller(teller: string, row: TellerTrust, now: number): TrustRow["tellers"][number] {
  const { samples, exclusions, exclusion, latch, at } = row;
  return {
    teller,
    trust_score: tellerScore(row, now),
    share: tellerShare(row, now),
    samples,
    exclusions,
    excluded_until: exclusion !== null && isExcludedBy(row, now) ? timeOf(exclusion.until) : null,
    latch: latch && { since: timeOf(latch.since), event: latch.event },
    last_report: timeOf(at),
  };
}

function missingIn({ tellers, quorum, latch }: ProviderTrust, now: number): TrustRow["missing"] {
  const rows = Object.values(tellers);
  const excluding = rows.filter((row) => isExcludedBy(row, now)).length;
  const latching = rows.filter((row) => row.latch !== null).length;
  return {
    exclusion: Math.max(0, quorum.needs - excluding),
    latch: latch === null ? Math.max(0, quorum.needs - latching) : 0,
  };
}

type Restriction = Pick<TrustRow, "ledger" | "cause" | "since" | "until">;

function restriction(trust: ProviderTrust, now: number): Restriction {
  const { latch, calibration } = trust;
  if (latch !== null)
    return { ledger: "integrity", cause: latch.cause, since: timeOf(latch.since), until: null };
  if (calibration !== null && isTakenOut(trust))
    return { ledger: "quality", cause: "calibration", since: timeOf(calibration.at), until: null };
  const excluded = exclusionForAll(trust, now);
  if (excluded !== undefined) {
    const { since, until } = excluded;
    return { ledger: "quality", cause: "outcomes", since: timeOf(since), until: timeOf(until) };
  }
  if (trustShare(trust, now) === 100) return { ledger: null, cause: null, since: null, until: null };
  const [since, until] = probation(trust);
  return { ledger: "quality", cause: "probation", since: timeOf(since), until: timeOf(until) };
}

/** The time of probation: from the end of the quorum of exclusions until the last share is restored. */
function probation({ tellers, quorum }: ProviderTrust): readonly [since: number, until: number] {
  const exclusions = Object.values(tellers).flatMap(({ exclusion }) => exclusion ?? []);
  const latest = (times: readonly number[]): number =>
    times.toSorted((one, other) => other - one)[quorum.needs - 1] ?? 0;
  return [
    latest(exclusions.map(({ until }) => until)),
    latest(exclusions.map(({ since, until }) => until + PROBATION_SHARES.length * (until - since))),
  ];
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
