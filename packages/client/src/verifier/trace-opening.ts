import { type OpeningObserver, REFUSALS } from "@scbe/envelope";
import { ATTRIBUTES, recordedSpan, setFailure } from "@scbe/service-kit";

/**
 * An observer that also tells the active span why an envelope was refused, and when: the span ends with the noise, which
 * comes later. The trace is the operator's; the sender of the envelope is told nothing of it.
 */
export function traceOpening(observer: OpeningObserver): OpeningObserver {
  return {
    ...observer,
    refused: (facts) => {
      observer.refused(facts);
      const span = recordedSpan();
      if (span === undefined) return;
      const { reason } = facts;
      const why = { [ATTRIBUTES.refusal]: reason, [ATTRIBUTES.refusalStep]: REFUSALS[reason] };
      span.setAttributes(why).addEvent("refused", why);
      setFailure(span, reason);
    },
  };
}
