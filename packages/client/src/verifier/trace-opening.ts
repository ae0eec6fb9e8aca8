import { type OpeningObserver, REFUSALS } from "@scbe/envelope";
import { ATTRIBUTES, beginSpan, recordedSpan, setFailure } from "@scbe/service-kit";

/**
 * An observer that also tells the active span why an envelope was refused, and when: the span ends with the noise, which
 * comes later. A refusal that belongs to no trace, as a forgery's, begins one. The trace is the operator's; the sender of
 * the envelope is told nothing of it.
 */
export function traceOpening(observer: OpeningObserver): OpeningObserver {
  return {
    ...observer,
    refused: (facts) => {
      observer.refused(facts);
      const { phase, provider, reason } = facts;
      const active = recordedSpan();
      const span = active ?? beginSpan("scbe.open");
      if (!span.isRecording()) return;
      const why = { [ATTRIBUTES.refusal]: reason, [ATTRIBUTES.refusalStep]: REFUSALS[reason] };
      span.setAttributes({ [ATTRIBUTES.phase]: phase, [ATTRIBUTES.provider]: provider, ...why });
      span.addEvent("refused", why);
      setFailure(span, reason);
      if (active === undefined) span.end();
    },
  };
}
