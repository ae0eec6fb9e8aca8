import { randomUUID } from "node:crypto";
import { connectBus, mendedRecord } from "@scbe/bus";
import { BUCKETS, KV_KEYS, QUEUES, servedAs, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { createStoreHost, eventually, type SecuredNats } from "@scbe/testkit";
import { kvOverrideStore } from "../src/edge/kv-override-store.ts";
import { lateBucket } from "../src/edge/late-bucket.ts";
import { OverrideOutbox } from "../src/trust/override-outbox.ts";
import { OverrideRecord } from "../src/trust/override-record.ts";
import {
  overrideEvents,
  type PendingOverrides,
  readOverrides,
  type TrustOverride,
} from "../src/trust/overrides.ts";
import { LONG } from "./core-controller.ts";
import { manualLeading } from "./manual-leading.ts";
import { memoryAudit } from "./memory-plane.ts";

/** A calibration with its number as its score. */
export function overrideOf(score: number, provider = "openai"): TrustOverride {
  const body = { provider, trust_score: score, reason: `a test sets ${score}` };
  const [override] = overrideEvents(body, { by: "ana", at: Date.now(), newId: randomUUID });
  if (override === undefined) throw new Error("this body has no override");
  return override;
}

/** That many of them, with different scores. */
export function overridesOf(count: number): TrustOverride[] {
  return Array.from({ length: count }, (_, n) => overrideOf(n / count));
}

/** The outbox of one controller, on a real bus and a real bucket with a controller's rights, which leads on demand. */
export async function startOutbox(nats: SecuredNats) {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await createStoreHost(nats, "rollback-controller"));
  const bucket = stack.use(await lateBucket(host.store, BUCKETS.control, host.signal));
  const audit = memoryAudit();
  const leadership = manualLeading();
  const store = stack.use(kvOverrideStore(host.store, bucket));
  const record = new OverrideRecord({ store, onMended: mendedRecord({ ...host, record: "trust_words" }) });
  const outbox = stack.use(new OverrideOutbox({ ...host, record, store, leadership, audit }));
  const held = stack.move();
  const stored = async (): Promise<PendingOverrides | undefined> => {
    const entry = await bucket.get(KV_KEYS.trustOverrides);
    return entry === undefined ? [] : readOverrides(entry.value);
  };
  return {
    ...{ host, bucket, audit, outbox, stored },
    lead: (leading: boolean) => leadership.set(leading),
    /** Writes a value into the bucket without the controllers. */
    put: async (value: Uint8Array): Promise<void> => {
      const entry = await bucket.get(KV_KEYS.trustOverrides);
      if (entry === undefined) await bucket.create(KV_KEYS.trustOverrides, value);
      else await bucket.update(KV_KEYS.trustOverrides, value, entry.revision);
    },
    /** Resolves when the bucket has no overrides. */
    emptied: () => eventually(async () => (await stored())?.length === 0, LONG),
    note: (dependency = "trust overrides") =>
      host.readiness.report().find(({ name }) => name === dependency)?.note,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export type OutboxStage = Awaited<ReturnType<typeof startOutbox>>;

/** A trust scorer's reaction to an override. */
export type Judge = (override: TrustOverride) => void | Promise<void>;

/** A trust scorer that answers with the error that `judge` throws, and numbers all other overrides. */
export async function startFakeScorer(nats: SecuredNats, judge: Judge = () => undefined) {
  const log = createLogger({ name: "test", level: "silent" });
  const name = "trust-scorer";
  const bus = await connectBus({ ...nats.transport(name), name, log });
  const heard: TrustOverride[] = [];
  const numbers = new Map<string, number>();
  const service = bus.service({
    ...{ name, version: "0.0.0", description: "a test's", queue: QUEUES.trustScorer },
    endpoints: [
      {
        name: "word",
        ...servedAs("trustWord"),
        handler: async ({ data }) => {
          const override = JSON.parse(Buffer.from(data).toString("utf8")) as TrustOverride;
          heard.push(override);
          await judge(override);
          const seq = numbers.get(override.id) ?? numbers.size + 1;
          numbers.set(override.id, seq);
          return { data: writeMessage({ v: 1, seq }) };
        },
      },
    ],
  });
  await service.join();
  return {
    /** All overrides that arrived, repetitions too. */
    heard,
    /** The ids of the numbered ones, in order. */
    taken: () => [...numbers.keys()],
    [Symbol.asyncDispose]: async () => {
      await service[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
    },
  };
}
