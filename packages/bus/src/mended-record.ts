import type { OwnedRecord } from "@scbe/contracts";
import type { Logger, MetricsRegistry, Readiness } from "@scbe/runtime";
import { counter } from "@scbe/runtime";

export interface MendedRecordOptions {
  readonly metrics: MetricsRegistry;
  readonly readiness: Pick<Readiness, "set">;
  readonly log: Logger;
  readonly record: OwnedRecord;
}

/**
 * Shows that a stored record could not be read and was mended by its owner: in the log, in `scbe_records_mended_total`, and as a note of readiness
 * until the process ends, since a person has to find out how it came to that.
 * @returns to be called with what the record was mended into, once that is stored
 */
export function mendedRecord({
  metrics,
  readiness,
  log,
  record,
}: MendedRecordOptions): (into: string) => void {
  const mended = counter(metrics, "scbe_records_mended_total", { record: [record] });
  return (into) => {
    mended.inc({ record });
    log.error({ record, into }, "a stored record could not be read, and was mended");
    readiness.set(`stored ${record}`, {
      ok: true,
      note: `it could not be read, and was mended into ${into}`,
    });
  };
}
