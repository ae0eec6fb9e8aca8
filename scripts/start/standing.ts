import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

/** What is in force from an earlier run, since state outlives a stop: kills, flags, canaries, latches, calibrations, a skew window. */
export interface Standing {
  readonly entries: readonly StandingEntry[];
  /** What it does to a provider's requests; a provider that is not named is served as ever. */
  readonly effects: Readonly<Record<string, Effect>>;
  /** Providers that are asked after all others. */
  readonly last: readonly string[];
}

export interface StandingEntry {
  readonly kind: "kill" | "flag" | "canary" | "latch" | "calibration" | "skew window";
  /** Absent: all of them. */
  readonly provider?: string;
  /** In words, with what it does. */
  readonly what: string;
  readonly reason: string | null;
  /** As the audit has it; null where its newest entries do not tell. */
  readonly by: string | null;
  /** ISO 8601; null likewise. */
  readonly since: string | null;
  readonly release: Release;
}

/** How a person ends it. */
export type Release =
  | { readonly by: "kill switch"; readonly provider?: string }
  | { readonly by: "post"; readonly path: string; readonly body: object }
  | { readonly by: "time"; readonly until: string };

/** `refused`: all of a provider's requests; `some`: those outside of its share. */
export type Effect = "refused" | "some";

export const NOTHING_STANDS: Standing = { entries: [], effects: {}, last: [] };

const Kill = z.object({
  enabled: z.boolean(),
  reason: z.string(),
  cause: z.string().optional(),
  since: z.string().optional(),
});
const Flag = z.object({ enabled: z.boolean(), traffic_percentage: z.number() });
const Verification = z.object({ enabled: z.boolean(), providers: z.record(z.string(), Flag) });

/** What of `GET /feature-flags` is looked at. */
export const Flags = z.object({
  scbe_envelope_verification: Verification,
  scbe_kill_switch: Kill.extend({ providers: z.record(z.string(), Kill).optional() }),
  skew_window: z.object({ seconds: z.number(), until: z.string(), reason: z.string() }).nullable(),
});
/** Of `GET /metrics/scbe/trust-scores`. */
export const Trust = z.object({
  providers: z.array(
    z.object({
      provider: z.string(),
      latch: z.object({ cause: z.string(), since: z.string(), event: z.string() }).nullable(),
      calibration: z.object({ score: z.number(), reason: z.string(), at: z.string() }).nullable(),
      cause: z.string().nullable(),
    }),
  ),
});
/** Of `GET /canary`. */
export const Canaries = z.object({
  canaries: z.array(
    z.object({
      provider: z.string(),
      state: z.string(),
      share: z.number(),
      why: z.string().optional(),
      by: z.string().optional(),
      since: z.union([z.string(), z.number()]).optional(),
    }),
  ),
});
/** Of `GET /audit`, the newest first. */
export const Audit = z.object({
  entries: z.array(
    z.object({
      at: z.number(),
      action: z.string(),
      by: z.string(),
      reason: z.string(),
      before: z.unknown().optional(),
      after: z.unknown().optional(),
    }),
  ),
});

export interface StandingFacts {
  readonly flags: z.infer<typeof Flags>;
  readonly trust: z.infer<typeof Trust>;
  readonly canaries: z.infer<typeof Canaries>;
  readonly audit: z.infer<typeof Audit>;
  /** Of the deployment. */
  readonly providers: readonly string[];
}

/** What stands, by what the control API tells. */
export function standing(facts: StandingFacts): Standing {
  const entries = [
    ...kills(facts),
    ...flags(facts),
    ...canaries(facts),
    ...latches(facts),
    ...calibrations(facts),
    ...skewWindow(facts),
  ];
  const effects = facts.providers.flatMap((provider) => {
    const effect = effectOn(facts, provider);
    return effect === undefined ? [] : [[provider, effect] as const];
  });
  const last = entries.flatMap(({ kind, provider }) => (kind === "calibration" ? (provider ?? []) : []));
  return { entries, effects: Object.fromEntries(effects), last };
}

function effectOn(
  { flags: { scbe_kill_switch, scbe_envelope_verification }, trust }: StandingFacts,
  provider: string,
): Effect | undefined {
  const isKilled = scbe_kill_switch.enabled || scbe_kill_switch.providers?.[provider]?.enabled === true;
  const isLatched = trust.providers.some((row) => row.provider === provider && row.latch !== null);
  if (isKilled || isLatched || !scbe_envelope_verification.enabled) return "refused";
  const share = shareOf(scbe_envelope_verification.providers[provider]);
  if (share >= 100) return undefined;
  return share <= 0 ? "refused" : "some";
}

function shareOf(flag: z.infer<typeof Flag> | undefined): number {
  if (flag === undefined) return 100;
  return flag.enabled ? flag.traffic_percentage : 0;
}

function kills({ flags: { scbe_kill_switch: all }, audit }: StandingFacts): StandingEntry[] {
  const engaged = (kill: z.infer<typeof Kill>, provider?: string): StandingEntry[] => {
    if (!kill.enabled) return [];
    const since = kill.since ?? null;
    const of = provider === undefined ? "everything" : provider;
    return [
      {
        kind: "kill",
        ...(provider !== undefined && { provider }),
        what: `the kill switch of ${of} is engaged${kill.cause === undefined ? "" : ` (${kill.cause})`}: its requests are refused`,
        reason: kill.reason,
        since,
        by: killedBy(audit, since, provider),
        release: { by: "kill switch", ...(provider !== undefined && { provider }) },
      },
    ];
  };
  const single = Object.entries(all.providers ?? {}).flatMap(([name, kill]) => engaged(kill, name));
  return [...engaged(all), ...single];
}

const Killed = z.object({
  kill_switch: z.object({
    all: z.object({ by: z.string(), since: z.number() }).nullable(),
    providers: z.record(z.string(), z.object({ by: z.string(), since: z.number() })),
  }),
});

function killedBy(
  { entries }: z.infer<typeof Audit>,
  since: string | null,
  provider: string | undefined,
): string | null {
  const found = entries
    .flatMap(({ after }) => Killed.safeParse(after).data ?? [])
    .map(({ kill_switch: { all, providers } }) => (provider === undefined ? all : providers[provider]))
    .find((kill) => kill != null && since !== null && kill.since === Date.parse(since));
  return found?.by ?? null;
}

function flags({
  flags: { scbe_envelope_verification: verification },
  audit,
}: StandingFacts): StandingEntry[] {
  const path = "/feature-flags";
  const everything: StandingEntry[] = verification.enabled
    ? []
    : [
        {
          kind: "flag",
          what: "scbe_envelope_verification.enabled is false: nothing is sealed, and all requests are refused",
          ...changeOf(audit, (it) => it.enabled),
          release: { by: "post", path, body: { scbe_envelope_verification: { enabled: true } } },
        },
      ];
  const single = Object.entries(verification.providers).flatMap(([provider, flag]): StandingEntry[] => {
    const share = shareOf(flag);
    if (share >= 100) return [];
    const on = { enabled: true, traffic_percentage: 100 };
    return [
      {
        kind: "flag",
        provider,
        what: `the flag of ${provider} leaves it ${share} % of its traffic: the rest is refused`,
        ...changeOf(audit, (it) => it.providers[provider]),
        release: {
          by: "post",
          path,
          body: { scbe_envelope_verification: { providers: { [provider]: on } } },
        },
      },
    ];
  });
  return [...everything, ...single];
}

const Changed = z.object({ scbe_envelope_verification: Verification });

/** The newest change of a part of the flags, which is the one that stands. */
function changeOf(
  { entries }: z.infer<typeof Audit>,
  part: (verification: z.infer<typeof Verification>) => unknown,
): Pick<StandingEntry, "reason" | "by" | "since"> {
  const found = entries.find(({ before, after }) => {
    const [was, is] = [Changed.safeParse(before).data, Changed.safeParse(after).data];
    if (was === undefined || is === undefined) return false;
    return !isDeepStrictEqual(part(was.scbe_envelope_verification), part(is.scbe_envelope_verification));
  });
  if (found === undefined) return { reason: null, by: null, since: null };
  return { reason: found.reason, by: found.by, since: new Date(found.at).toISOString() };
}

function canaries({ canaries: { canaries: all } }: StandingFacts): StandingEntry[] {
  return all
    .filter(({ state }) => state === "running" || state === "paused")
    .map(({ provider, state, share, why, by, since }) => ({
      kind: "canary",
      provider,
      what: `the canary of ${provider} is ${state}, at ${share} %; docs/canary.md tells how it ends`,
      reason: why ?? null,
      by: by ?? null,
      since: since === undefined ? null : new Date(since).toISOString(),
      release: { by: "post", path: "/canary/abort", body: { provider, reason: "over" } },
    }));
}

function latches({ trust }: StandingFacts): StandingEntry[] {
  return trust.providers.flatMap(({ provider, latch }): StandingEntry[] => {
    if (latch === null) return [];
    const { cause, since, event } = latch;
    return [
      {
        kind: "latch",
        provider,
        what: `trust in ${provider} is latched (${cause}): its requests are refused`,
        reason: cause,
        by: "trust-scorer",
        since,
        release: {
          by: "post",
          path: "/admin/scbe/trust",
          body: { provider, clears: event, reason: "looked into" },
        },
      },
    ];
  });
}

function calibrations({ trust, audit }: StandingFacts): StandingEntry[] {
  return trust.providers.flatMap(({ provider, cause, calibration }): StandingEntry[] => {
    if (cause !== "calibration" || calibration === null) return [];
    const { score, reason, at } = calibration;
    const spoken = audit.entries.find((entry) => entry.action === "trust" && isOf(entry.after, provider));
    return [
      {
        kind: "calibration",
        provider,
        what: `a person has set the trust in ${provider} to ${score}: it is asked after all others`,
        reason,
        by: spoken?.by ?? null,
        since: at,
        release: {
          by: "post",
          path: "/admin/scbe/trust",
          body: { provider, trust_score: 1, reason: "trusted again" },
        },
      },
    ];
  });
}

function isOf(row: unknown, provider: string): boolean {
  return typeof row === "object" && row !== null && "provider" in row && row.provider === provider;
}

function skewWindow({ flags: { skew_window: window } }: StandingFacts): StandingEntry[] {
  if (window === null) return [];
  const { seconds, until, reason } = window;
  return [
    {
      kind: "skew window",
      what: `clocks may be ${seconds} s ahead`,
      reason,
      by: null,
      since: null,
      release: { by: "time", until },
    },
  ];
}
