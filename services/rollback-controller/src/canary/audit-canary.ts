import type { Canary } from "../domain/canary/canary-record.ts";
import { shareOf } from "../domain/canary/place-of.ts";
import type { Actor, Audit } from "../ports.ts";

export interface CanaryChange extends Actor {
  readonly before: Canary | undefined;
  readonly after: Canary;
  /** ms since the Unix epoch */
  readonly at: number;
}

/** Puts into the audit that a canary has become another one. That its share has changed, the control plane puts there. */
export function auditCanary(
  audit: Pick<Audit, "append">,
  { before, after, at, by, reason }: CanaryChange,
): void {
  audit.append({
    ...{ at, by, reason, action: "canary" },
    ...(before !== undefined && { before: summaryOf(before) }),
    after: summaryOf(after),
  });
}

function summaryOf(canary: Canary) {
  const { provider, state, step, steps, hold_ms, override, intent } = canary;
  const going = intent === null ? {} : { to: intent.share };
  return {
    provider,
    state,
    step,
    share: shareOf(canary),
    steps,
    hold_ms,
    override: override?.step === step,
    ...going,
  };
}
