import { type Bucket, type Leading, mendedRecord, type StoreHost } from "@scbe/bus";
import { type Readiness, watchGauge } from "@scbe/runtime";
import { TrustFollower } from "@scbe/verifier";
import { kvOverrideStore } from "../edge/kv-override-store.ts";
import type { Audit } from "../ports.ts";
import { auditTrust } from "./audit-trust.ts";
import { OverrideOutbox } from "./override-outbox.ts";
import { OverrideRecord } from "./override-record.ts";
import { TrustService } from "./trust-service.ts";

export interface TrustPorts {
  readonly host: Pick<StoreHost, "bus" | "store" | "clock" | "log" | "metrics" | "readiness">;
  readonly audit: Audit;
  /** The control bucket. */
  readonly bucket: Bucket;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
}

/** What a controller has to do with trust, at work. */
export interface Trust extends AsyncDisposable {
  readonly follower: TrustFollower;
  readonly desk: TrustService;
}

/** Hears how far providers are trusted, audits what comes into force, and takes persons' words for the trust scorer. */
export function startTrust({ host, audit, bucket, leadership }: TrustPorts): Trust {
  const { bus, clock, log, metrics, readiness } = host;
  const stack = new AsyncDisposableStack();
  const follower = stack.use(
    new TrustFollower({ ...host, readiness: asNotes(readiness), asksControllers: false }),
  );
  stack.use(auditTrust({ follower, audit, leadership, clock, log }));
  const store = stack.use(kvOverrideStore(host.store, bucket));
  const onMended = mendedRecord({ metrics, readiness, log, record: "trust_words" });
  const record = new OverrideRecord({ store, onMended });
  const outbox = stack.use(
    new OverrideOutbox({ record, store, bus, leadership, audit, clock, log, readiness }),
  );
  stack.use(watchGauge(metrics, "scbe_trust_words_waiting", () => [[{}, outbox.waiting]]));
  return {
    follower,
    desk: new TrustService({ outbox, follower, audit, clock }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A controller switches off, and on again, whether or not trust is known. */
function asNotes(readiness: Readiness): Pick<Readiness, "set"> {
  return {
    set: (name, state) => {
      const note = state.ok ? state.note : state.reason;
      readiness.set(name, { ok: true, ...(note !== undefined && { note }) });
    },
  };
}
