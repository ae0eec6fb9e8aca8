import type { Leading } from "@scbe/bus";
import { type Clock, type Logger, ReconcileLoop } from "@scbe/runtime";
import type { TrustFollower } from "@scbe/verifier";
import type { Audit } from "../ports.ts";
import { type TrustInForce, trustInForce } from "./in-force.ts";
import { viewTrustRow } from "./view.ts";

export interface AuditTrustOptions {
  readonly follower: Pick<TrustFollower, "document" | "onChange">;
  readonly audit: Audit;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

/** The audit entries that a controller reads when it begins to lead. */
const LOOK_BACK = 500;
const PASS_EVERY_MS = 1000;
const BY = "trust-scorer";

/**
 * Audits every latch and exclusion that comes into force for all, with its tellers. The trust scorer has no access to the audit, so the leading
 * controller follows the trust document and writes the entries. A new leader first reads the newest entries, and adds what is missing.
 */
export function auditTrust({ follower, audit, leadership, clock, log }: AuditTrustOptions): AsyncDisposable {
  let audited: ReadonlySet<string> | undefined;
  let hasFailed = false;

  const auditNews = async (): Promise<void> => {
    const { document } = follower;
    if (document === undefined) return;
    const known = audited ?? (await auditedBefore(audit));
    // What ended before this controller began to lead was for the one before to audit.
    const isNews = ({ id, until }: TrustInForce): boolean =>
      !known.has(id) && (audited !== undefined || until === undefined || until > clock.now());
    const all = trustInForce(document);
    for (const it of all.filter(isNews)) {
      audit.append({
        ...{ at: clock.now(), action: "trust", by: BY, reason: `${it.provider}: ${it.says}` },
        after: { id: it.id, ...viewTrustRow(document, it.provider, clock.now()) },
      });
    }
    audited = new Set(all.map(({ id }) => id));
  };

  const loop = new ReconcileLoop(async () => {
    if (!leadership.leading) {
      audited = undefined;
      return;
    }
    try {
      await auditNews();
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.warn({ err: error }, "changes of trust cannot be audited now");
      hasFailed = true;
    }
  }, PASS_EVERY_MS);
  const stack = new AsyncDisposableStack();
  stack.use(loop);
  stack.use(follower.onChange(() => loop.nudge()));
  stack.use(leadership.onChange(() => loop.nudge()));
  return stack;
}

/** The ids in the newest entries. @throws ScbeError what reading throws */
async function auditedBefore(audit: Audit): Promise<ReadonlySet<string>> {
  const entries = await audit.read({ limit: LOOK_BACK });
  return new Set(
    entries.flatMap(({ by, after }) => {
      const id = (after as { readonly id?: unknown } | undefined)?.id;
      return by === BY && typeof id === "string" ? [id] : [];
    }),
  );
}
