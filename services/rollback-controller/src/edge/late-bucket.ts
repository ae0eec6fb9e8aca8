import { setTimeout as delay } from "node:timers/promises";
import type { Bucket, StoreBus } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";

/** A bucket that may not be available yet. */
export interface LateBucket extends Bucket, AsyncDisposable {}

/** How long a starting process waits for the bucket: if it is available, it is read before anything else happens. */
const BOUND_WITHIN_MS = 1500;

/**
 * A bucket that is bound in the background if it is not available at once: while JetStream is away a controller can still send a kill. Until
 * it is bound, every call throws ScbeError NOT_READY, and watches begin once it is.
 */
export async function lateBucket(
  store: Pick<StoreBus, "bucket">,
  name: string,
  signal: AbortSignal,
): Promise<LateBucket> {
  const stopping = new AbortController();
  let bound: Bucket | undefined;
  const binding = store
    .bucket(name, { signal: AbortSignal.any([signal, stopping.signal]) })
    .then((bucket) => {
      bound = bucket;
    })
    // It fails only when the process stops.
    .catch(() => undefined);
  await Promise.race([binding, delay(BOUND_WITHIN_MS, undefined, { ref: false })]);
  const now = (): Bucket => {
    if (bound !== undefined) return bound;
    throw new ScbeError("NOT_READY", `the bucket ${name} does not exist, or JetStream does not answer`);
  };
  return {
    get: async (key) => now().get(key),
    history: async (key) => now().history(key),
    create: async (key, value) => now().create(key, value),
    update: async (key, value, revision) => now().update(key, value, revision),
    watch: (key, listener, options) => lateWatch(binding, () => bound?.watch(key, listener, options)),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await binding;
    },
  };
}

function lateWatch(bound: Promise<void>, watch: () => AsyncDisposable | undefined): AsyncDisposable {
  let ended = false;
  let watching: AsyncDisposable | undefined;
  void bound.then(() => {
    if (!ended) watching = watch();
  });
  return {
    [Symbol.asyncDispose]: async () => {
      ended = true;
      await watching?.[Symbol.asyncDispose]();
    },
  };
}
