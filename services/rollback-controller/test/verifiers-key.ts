import { BUCKETS, KV_KEYS } from "@scbe/contracts";
import { createStoreHost, eventually, type SecuredNats } from "@scbe/testkit";
import { readVerifiers } from "../src/control/known-verifiers.ts";
import { lateBucket } from "../src/edge/late-bucket.ts";
import { LONG } from "./core-controller.ts";
import type { Verifier } from "./core-verifier.ts";

/** The stored verifiers, read and written directly. */
export async function openVerifiersKey(nats: SecuredNats) {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await createStoreHost(nats, "rollback-controller"));
  const bucket = stack.use(await lateBucket(host.store, BUCKETS.control, host.signal));
  const held = stack.move();
  const ids = async (): Promise<readonly string[]> => {
    const entry = await bucket.get(KV_KEYS.verifiers);
    return (entry && readVerifiers(entry.value))?.heard.map(({ verifier }) => verifier).toSorted() ?? [];
  };
  return {
    put: async (value: Uint8Array): Promise<void> => {
      const entry = await bucket.get(KV_KEYS.verifiers);
      if (entry === undefined) await bucket.create(KV_KEYS.verifiers, value);
      else await bucket.update(KV_KEYS.verifiers, value, entry.revision);
    },
    /** Resolves when it names exactly these. */
    names: (...verifiers: readonly Verifier[]) =>
      eventually(async () => {
        const expected = verifiers.map(({ verifier }) => verifier).toSorted();
        return (await ids()).join() === expected.join();
      }, LONG),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export type VerifiersKey = Awaited<ReturnType<typeof openVerifiersKey>>;
