import type { Leading } from "@scbe/bus";
import type { ControlState, Kill } from "@scbe/contracts";
import { type Clock, type Logger, ReconcileLoop } from "@scbe/runtime";
import type { Audit, AuditEntry } from "../ports.ts";

export interface AuditOfflineKillsOptions {
  readonly plane: {
    readonly current: { readonly state: ControlState } | undefined;
    onChange(listener: () => void): Disposable;
  };
  readonly audit: Audit;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

/** The actor of a kill without a controller. No token can have this name. */
export const OFFLINE_ACTOR = "operator";
/** Audit entries that are searched for the kill. */
const LOOK_BACK = 500;
const PASS_MS = 1000;

/**
 * Audits a kill of everything that was made without a controller, which its document says by `by`. The leader writes the entry, unless one of
 * the newest entries is about that kill. A release without a controller looks like a controller's own, and gets no entry.
 */
export function auditOfflineKills(options: AuditOfflineKillsOptions): AsyncDisposable {
  const { plane, audit, leadership, clock, log } = options;
  /** `since` of the kill whose entry is known to exist. */
  let audited: number | undefined;
  let hasFailed = false;

  const auditKill = async (): Promise<void> => {
    const state = plane.current?.state;
    const kill = state?.kill_switch.all;
    if (state === undefined || kill?.by !== OFFLINE_ACTOR || kill.since === audited) return;
    const entries = await audit.read({ limit: LOOK_BACK });
    if (!leadership.leading) return;
    audited = kill.since;
    if (entries.some((entry) => isEntryOf(entry, kill))) return;
    const before = entries.map(({ after }) => after).find((it) => isControl(it) && !hasKill(it, kill));
    audit.append({
      ...{ at: clock.now(), action: "kill", by: OFFLINE_ACTOR, reason: kill.reason },
      ...(before !== undefined && { before }),
      after: state,
    });
  };

  const loop = new ReconcileLoop(async () => {
    if (!leadership.leading) return;
    try {
      await auditKill();
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.warn({ err: error }, "a kill without a controller cannot be audited now");
      hasFailed = true;
    }
  }, PASS_MS);
  const stack = new AsyncDisposableStack();
  stack.use(loop);
  stack.use(plane.onChange(() => loop.nudge()));
  stack.use(leadership.onChange(() => loop.nudge()));
  return stack;
}

function isEntryOf({ action, by, after }: AuditEntry, kill: Kill): boolean {
  return action === "kill" && by === OFFLINE_ACTOR && hasKill(after, kill);
}

/** The members of an entry's state that are compared. */
interface KillState {
  readonly kill_switch: { readonly all: Pick<Kill, "by" | "since"> | null };
}

function isControl(after: unknown): after is KillState {
  return typeof after === "object" && after !== null && "kill_switch" in after;
}

function hasKill(after: unknown, { by, since }: Kill): boolean {
  if (!isControl(after)) return false;
  const { all } = after.kill_switch;
  return all?.by === by && all.since === since;
}
