import type { Leading } from "@scbe/bus";
import { type Clock, type Logger, ReconcileLoop } from "@scbe/runtime";
import type { TrustFollower } from "@scbe/verifier";
import { showTrustRow } from "../domain/show-trust.ts";
import { type TrustInForce, trustInForce } from "../domain/trust-in-force.ts";
import type { Audit } from "../ports.ts";

export interface AuditTrustOptions {
  readonly follower: Pick<TrustFollower, "document" | "onChange">;
  readonly audit: Audit;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

/** Audit entries that a controller looks back at when it begins to lead. */
const LOOK_BACK = 500;
const TURN_MS = 1000;
const BY = "trust-scorer";

/**
 * Audits every latch and exclusion that comes into force for all, with the tellers that agreed on it. The trust scorer has no right on the audit: the
 * controller that leads hears the trust document, and writes what it has not audited yet. One that takes over looks at the newest entries first.
 */
export function auditTrust({ follower, audit, leadership, clock, log }: AuditTrustOptions): AsyncDisposable {
  let audited: ReadonlySet<string> | undefined;
  let hasFailed = false;

  const look = async (): Promise<void> => {
    const { document } = follower;
    if (document === undefined) return;
    const known = audited ?? (await auditedBefore(audit));
    // What is over by the time of taking over was another controller's to audit.
    const isNews = ({ id, until }: TrustInForce): boolean =>
      !known.has(id) && (audited !== undefined || until === undefined || until > clock.now());
    const all = trustInForce(document);
    for (const it of all.filter(isNews)) {
      audit.append({
        ...{ at: clock.now(), action: "trust", by: BY, reason: `${it.provider}: ${it.says}` },
        after: { id: it.id, ...showTrustRow(document, it.provider, clock.now()) },
      });
    }
    audited = new Set(all.map(({ id }) => id));
  };

  const turns = new ReconcileLoop(async () => {
    if (!leadership.leading) {
      audited = undefined;
      return;
    }
    try {
      await look();
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.warn({ err: error }, "what trust came to cannot be audited now");
      hasFailed = true;
    }
  }, TURN_MS);
  const stack = new AsyncDisposableStack();
  stack.use(turns);
  stack.use(follower.onChange(() => turns.nudge()));
  stack.use(leadership.onChange(() => turns.nudge()));
  return stack;
}

/** The ids that the newest entries tell of. @throws ScbeError what reading throws */
async function auditedBefore(audit: Audit): Promise<ReadonlySet<string>> {
  const entries = await audit.read({ limit: LOOK_BACK });
  return new Set(
    entries.flatMap(({ by, after }) => {
      const id = (after as { readonly id?: unknown } | undefined)?.id;
      return by === BY && typeof id === "string" ? [id] : [];
    }),
  );
}
