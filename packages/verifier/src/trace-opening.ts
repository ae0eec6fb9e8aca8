import { ATTRIBUTES, beginSpan, recordedSpan, setFailure } from "@scbe/bus";
import { type OpeningObserver, REFUSALS } from "@scbe/envelope";
import { type Clock, type TokenBucket, takeToken } from "@scbe/runtime";

/** Traces that refusals may begin: a flood of forgeries must not push those of requests out of the exporter's queue. */
const TRACES = { burst: 20, perSecond: 10 };

/**
 * An observer that also tells the active span why an envelope was refused. A refusal that belongs to no trace, as a forgery's, begins
 * one, a few in a second. The trace is the operator's; the sender of the envelope is told nothing of it.
 */
export function traceOpening(observer: OpeningObserver, clock: Pick<Clock, "monotonic">): OpeningObserver {
  let bucket: TokenBucket | undefined;
  const begin = (): ReturnType<typeof beginSpan> | undefined => {
    const taken = takeToken(bucket, clock.monotonic(), TRACES);
    if (taken === undefined) return undefined;
    bucket = taken;
    return beginSpan("scbe.open");
  };
  return {
    ...observer,
    refused: (facts) => {
      observer.refused(facts);
      const { phase, provider, reason } = facts;
      const active = recordedSpan();
      const span = active ?? begin();
      if (span === undefined || !span.isRecording()) return;
      const why = { [ATTRIBUTES.refusal]: reason, [ATTRIBUTES.refusalStep]: REFUSALS[reason] };
      span.setAttributes({ [ATTRIBUTES.phase]: phase, [ATTRIBUTES.provider]: provider, ...why });
      setFailure(span, reason);
      if (active === undefined) span.end();
    },
  };
}
