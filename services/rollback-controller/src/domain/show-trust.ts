import {
  isExcluded,
  PROBATION_SHARES,
  type ProviderTrust,
  TRUST_SIGNALS,
  type TrustDocument,
  trustIn,
  trustScore,
  trustShare,
} from "@scbe/contracts";
import { z } from "zod";

const At = z.iso.datetime();

/** How one provider stands. */
export const TrustRow = z
  .object({
    provider: z.string(),
    trust_score: z.number().describe("0 (not to be used) to 1 (nothing speaks against it)"),
    share: z.number().describe("Percent of its requests that go to it while there are others"),
    ledger: z.enum(["quality", "integrity"]).nullable().describe("What keeps it down; null: nothing does"),
    cause: z
      .enum([...TRUST_SIGNALS, "outcomes", "calibration", "probation"])
      .nullable()
      .describe(
        "Of that: the signal of a latch; its outcomes; a person's word; the way back after an exclusion",
      ),
    since: At.nullable(),
    until: At.nullable().describe("When it ends by itself; null: when a person speaks"),
    samples: z.int().describe("Outcomes that went into its score"),
    exclusions: z.int().describe("Since a person last vouched for it"),
    latch: z
      .object({ cause: z.enum(TRUST_SIGNALS), since: At, event: z.string() })
      .nullable()
      .describe("Stands until POST /admin/scbe/trust clears this event"),
    calibration: z
      .object({ score: z.number(), reason: z.string(), at: At })
      .nullable()
      .describe("The last word of a person; who that was, the audit tells"),
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

export interface TrustSeen {
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

/** How all providers of the deployment stand. Without a document each is trusted. */
export function showTrustScores(
  { document, isHeard, note }: TrustSeen,
  { providers, now }: TrustSetting,
): TrustScores {
  const rows = providers.map((provider) => showTrustRow(document, provider, now));
  return {
    at: timeOf(now),
    scbe_trust_score_avg: rows.reduce((sum, row) => sum + row.trust_score, 0) / rows.length,
    heard: isHeard,
    note: note ?? null,
    stream: document?.stream ?? null,
    providers: rows,
  };
}

/** How one stands at `now`, ms since the Unix epoch. */
export function showTrustRow(document: TrustDocument | undefined, provider: string, now: number): TrustRow {
  const trust = trustIn(document ?? NOTHING_KNOWN, provider);
  const { samples, exclusions, latch, calibration } = trust;
  return {
    provider,
    trust_score: trustScore(trust, now),
    share: trustShare(trust, now),
    ...keptDown(trust, now),
    samples,
    exclusions,
    latch: latch && { ...latch, since: timeOf(latch.since) },
    calibration: calibration && {
      score: calibration.score,
      reason: calibration.reason,
      at: timeOf(calibration.at),
    },
  };
}

const NOTHING_KNOWN = { providers: {} };

type KeptDown = Pick<TrustRow, "ledger" | "cause" | "since" | "until">;

function keptDown(trust: ProviderTrust, now: number): KeptDown {
  const { latch, exclusion } = trust;
  if (latch !== null)
    return { ledger: "integrity", cause: latch.cause, since: timeOf(latch.since), until: null };
  if (exclusion === null || trustShare(trust, now) === 100)
    return { ledger: null, cause: null, since: null, until: null };
  const { since, until } = exclusion;
  if (until === null) return { ledger: "quality", cause: "calibration", since: timeOf(since), until };
  if (isExcluded(trust, now))
    return { ledger: "quality", cause: "outcomes", since: timeOf(since), until: timeOf(until) };
  const backAt = until + PROBATION_SHARES.length * (until - since);
  return { ledger: "quality", cause: "probation", since: timeOf(until), until: timeOf(backAt) };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
