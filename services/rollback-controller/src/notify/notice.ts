import type { ControlState, Kill, KillMode, NoticeDestination, RollbackPath } from "@scbe/contracts";
import { modeOf } from "@scbe/envelope/control";
import type { Noticed, ProcessedAlertsState } from "../alerts/processed-state.ts";

/** The scope of a kill of everything; no provider has that name. */
export const EVERYTHING = "*";

/** A message to people. */
export type Notice =
  | {
      readonly kind: "engaged";
      readonly scope: string;
      readonly kill: Kill;
      readonly mode: KillMode;
      readonly key: string;
    }
  | { readonly kind: "released"; readonly scope: string; readonly keys: readonly string[] }
  | { readonly kind: "alone"; readonly provider: string; readonly path: RollbackPath; readonly key: string };

/** A service that delivers notices to people. */
export interface Destination {
  readonly name: NoticeDestination;
  readonly url: string;
  /** The bodies to post for a notice, in order. They may contain a secret. */
  bodies(notice: Notice): readonly unknown[];
  /** True when the answer confirms the post: a status alone may come from a proxy. */
  accepts(status: number, text: string): boolean;
}

/** The notices to send, and the record of kills after they were sent. */
export interface Due {
  readonly notices: readonly Notice[];
  /** The same object without notices. */
  readonly noticed: ProcessedAlertsState["noticed"];
}

/** Incidents of one scope that end together; further ones of the same kill share the first's. */
const KEYS_MAX = 8;

/**
 * Compares the kills in force with those already reported. A kill that changed, as from availability to integrity, is reported again, and so
 * is one whose traffic begins or ends to go unsealed. Its incidents end when the scope is released.
 * @param keyOf the deduplication key of a kill's incident
 */
export function noticesDue(
  state: Pick<ControlState, "kill_switch" | "fallback">,
  noticed: ProcessedAlertsState["noticed"],
  keyOf: (scope: string, kill: Kill) => string,
): Due {
  const { all, providers } = state.kill_switch;
  const kills = new Map([
    ...(all === null ? [] : [[EVERYTHING, all] as const]),
    ...Object.entries(providers),
  ]);
  const notices: Notice[] = [];
  const next: Record<string, Noticed> = {};
  for (const [scope, kill] of kills) {
    const before = noticed[scope];
    const mode = modeOf(state, kill.cause);
    if (before !== undefined && isSame(before, kill, mode)) {
      next[scope] = before;
      continue;
    }
    const key = keyOf(scope, kill);
    const keys = [...new Set([key, ...(before?.keys ?? [])])].slice(0, KEYS_MAX);
    next[scope] = { since: kill.since, cause: kill.cause, mode, keys };
    notices.push({ kind: "engaged", scope, kill, mode, key });
  }
  for (const [scope, { keys }] of Object.entries(noticed)) {
    if (!kills.has(scope)) notices.push({ kind: "released", scope, keys: keysWithout(keys, next) });
  }
  return notices.length === 0 ? { notices, noticed } : { notices, noticed: next };
}

function isSame(noticed: Noticed, { since, cause }: Kill, mode: KillMode): boolean {
  return since === noticed.since && cause === noticed.cause && mode === noticed.mode;
}

/** An incident stays open while another scope is killed for it. */
function keysWithout(keys: readonly string[], kept: ProcessedAlertsState["noticed"]): readonly string[] {
  const open = new Set(Object.values(kept).flatMap((it) => it.keys));
  return keys.filter((key) => !open.has(key));
}

/** A scope in words. */
export function scopeName(scope: string): string {
  return scope === EVERYTHING ? "everything" : scope;
}
