import { isDeepStrictEqual } from "node:util";
import type { ControlAccess } from "@scbe/local-stack/stack";
import { z } from "zod";
import { type Audit, type ControlState, type Flag, type Kill, Verification } from "./control-api.ts";

/** What an earlier run has left in force: kills, flags, canaries, latches, calibrations, a skew window. State outlives a stop. */
export interface CarriedState {
  readonly entries: readonly CarriedEntry[];
  /** The effect on a provider's requests; an absent provider is served normally. */
  readonly effects: Readonly<Record<string, Effect>>;
  /** Providers of reduced trust, which come after all others. */
  readonly last: readonly string[];
}

export interface CarriedEntry {
  readonly kind: "kill" | "flag" | "canary" | "latch" | "calibration" | "skew window";
  /** Absent: all providers. */
  readonly provider?: string;
  /** A sentence, with its effect. */
  readonly what: string;
  readonly reason: string | null;
  /** From the audit; null if its newest entries do not hold it. */
  readonly by: string | null;
  /** ISO 8601; null if unknown. */
  readonly since: string | null;
  readonly release: Release;
}

/** How it ends. */
export type Release =
  | { readonly by: "kill switch"; readonly provider?: string }
  | { readonly by: "post"; readonly path: string; readonly body: object }
  | { readonly by: "time"; readonly until: string };

/** Refused requests of a provider: all, or those outside its share. */
export type Effect = "refused" | "some";

export const NOTHING_CARRIED: CarriedState = { entries: [], effects: {}, last: [] };

export interface CarriedFacts extends ControlState {
  /** The providers of the deployment. */
  readonly providers: readonly string[];
}

/** Derived from the answers of the control API. */
export function carriedState(facts: CarriedFacts): CarriedState {
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
  { flags: { scbe_kill_switch, scbe_envelope_verification }, trust }: CarriedFacts,
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

function kills({ flags: { scbe_kill_switch: all }, audit }: CarriedFacts): CarriedEntry[] {
  const engaged = (kill: z.infer<typeof Kill>, provider?: string): CarriedEntry[] => {
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

function flags({ flags: { scbe_envelope_verification: verification }, audit }: CarriedFacts): CarriedEntry[] {
  const path = "/feature-flags";
  const everything: CarriedEntry[] = verification.enabled
    ? []
    : [
        {
          kind: "flag",
          what: "scbe_envelope_verification.enabled is false: nothing is sealed, and all requests are refused",
          ...changeOf(audit, (it) => it.enabled),
          release: { by: "post", path, body: { scbe_envelope_verification: { enabled: true } } },
        },
      ];
  const single = Object.entries(verification.providers).flatMap(([provider, flag]): CarriedEntry[] => {
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

/** The newest change of one flag. */
function changeOf(
  { entries }: z.infer<typeof Audit>,
  select: (verification: z.infer<typeof Verification>) => unknown,
): Pick<CarriedEntry, "reason" | "by" | "since"> {
  const found = entries.find(({ before, after }) => {
    const [was, is] = [Changed.safeParse(before).data, Changed.safeParse(after).data];
    if (was === undefined || is === undefined) return false;
    return !isDeepStrictEqual(select(was.scbe_envelope_verification), select(is.scbe_envelope_verification));
  });
  if (found === undefined) return { reason: null, by: null, since: null };
  return { reason: found.reason, by: found.by, since: new Date(found.at).toISOString() };
}

function canaries({ canaries: { canaries: all } }: CarriedFacts): CarriedEntry[] {
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

function latches({ trust }: CarriedFacts): CarriedEntry[] {
  return trust.providers.flatMap(({ provider, latch }): CarriedEntry[] => {
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

function calibrations({ trust, audit }: CarriedFacts): CarriedEntry[] {
  return trust.providers.flatMap(({ provider, cause, calibration }): CarriedEntry[] => {
    if (cause !== "calibration" || calibration === null) return [];
    const { score, reason, at } = calibration;
    const set = audit.entries.find((entry) => entry.action === "trust" && isOf(entry.after, provider));
    return [
      {
        kind: "calibration",
        provider,
        what: `a person has set the trust in ${provider} to ${score}: it is asked after all others`,
        reason,
        by: set?.by ?? null,
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

function skewWindow({ flags: { skew_window: window } }: CarriedFacts): CarriedEntry[] {
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

/** Two lines for each entry: what is in force and by whose order, and the command that ends it. */
export function carriedLines({ entries }: CarriedState, control: ControlAccess): readonly string[] {
  if (entries.length === 0) return [];
  return [
    "from an earlier run stands:",
    ...entries.flatMap((entry) => [`  ${sentence(entry)}`, `    ${releaseLine(entry.release, control)}`]),
    "npm start -- --fresh begins without any of it",
  ];
}

function sentence({ what, reason, by, since }: CarriedEntry): string {
  const author = by === null ? "by whom is not in the newest entries of the audit" : `by ${by}`;
  const when = since === null ? "" : `, since ${since}`;
  return `${what}; ${author}${when}${reason === null ? "" : `: ${JSON.stringify(reason)}`}`;
}

/** The command that ends it. It reads the token from its file, so that no process has it among its arguments. */
function releaseLine(release: Release, { url, tokenFiles }: ControlAccess): string {
  const tokenFile = tokenFiles.ADMIN_TOKEN_FILE ?? "";
  if (release.by === "time") return `it ends by itself at ${release.until}`;
  if (release.by === "kill switch") {
    const of = release.provider === undefined ? "" : ` --provider ${release.provider}`;
    return `release it: SCBE_CONTROL_URL=${url} ADMIN_TOKEN_FILE="${tokenFile}" scripts/scbe-kill-switch.sh deactivate${of}`;
  }
  const header = `printf 'header = "Authorization: Bearer %s"' "$(cat "${tokenFile}")"`;
  return `end it: ${header} | curl --config - -X POST ${url}${release.path} -d '${JSON.stringify(release.body)}'`;
}
