import type { Leading } from "@scbe/bus";
import type { ControlState, Kill } from "@scbe/contracts";
import { type Clock, type Logger, ReconcileLoop } from "@scbe/runtime";
import type { Audit, AuditEntry } from "../ports.ts";

export interface AuditOfflineOptions {
  readonly plane: {
    readonly current: { readonly state: ControlState } | undefined;
    onChange(listener: () => void): Disposable;
  };
  readonly audit: Audit;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

/** Who kills without a controller. No token can have that name. */
export const OFFLINE_ACTOR = "operator";
/** Audit entries that are looked back at. */
const LOOK_BACK = 500;
const TURN_MS = 1000;

/**
 * Audits a kill of everything that was ordered without any controller: its document says so by `by`. The controller that leads writes the entry, unless
 * one of the newest entries is about that very kill. A release is not told from a controller's own, and has no entry.
 */
export function auditOffline(options: AuditOfflineOptions): AsyncDisposable {
  const { plane, audit, leadership, clock, log } = options;
  /** The kill whose entry is known to be there, or was written here. */
  let audited: number | undefined;
  let hasFailed = false;

  const look = async (): Promise<void> => {
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

  const turns = new ReconcileLoop(async () => {
    if (!leadership.leading) return;
    try {
      await look();
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.warn({ err: error }, "a kill without a controller cannot be audited now");
      hasFailed = true;
    }
  }, TURN_MS);
  const stack = new AsyncDisposableStack();
  stack.use(turns);
  stack.use(plane.onChange(() => turns.nudge()));
  stack.use(leadership.onChange(() => turns.nudge()));
  return stack;
}

function isEntryOf({ action, by, after }: AuditEntry, kill: Kill): boolean {
  return action === "kill" && by === OFFLINE_ACTOR && hasKill(after, kill);
}

/** What of an entry's state is looked at here. */
interface Control {
  readonly kill_switch: { readonly all: Pick<Kill, "by" | "since"> | null };
}

function isControl(after: unknown): after is Control {
  return typeof after === "object" && after !== null && "kill_switch" in after;
}

function hasKill(after: unknown, { by, since }: Kill): boolean {
  if (!isControl(after)) return false;
  const { all } = after.kill_switch;
  return all?.by === by && all.since === since;
}
