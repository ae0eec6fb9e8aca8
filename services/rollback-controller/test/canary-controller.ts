import { connectStore, type StoreBus, type StoreTransport } from "@scbe/bus";
import { BUCKETS } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import { collectLogs } from "@scbe/testkit";
import { Registry } from "prom-client";
import { CanaryIntents } from "../src/canary/intents.ts";
import type { Measure } from "../src/canary/measure.ts";
import { CanaryRunner } from "../src/canary/runner.ts";
import { CanaryService, canaryMetrics } from "../src/canary/service.ts";
import { kvCanaryStore } from "../src/edge/kv-canary-store.ts";
import type { Actor, AuditRecord } from "../src/ports.ts";
import { evidenceWith } from "./canary-evidence.ts";
import { KvPlane } from "./kv-plane.ts";

export const MINUTE = 60_000;
export const PLAN = { providers: ["openai", "xai"], steps: [5, 25, 50, 100], holdMs: 30 * MINUTE };

export interface ControllerOptions {
  readonly transport: StoreTransport;
  readonly clock: Clock;
  readonly measure?: Measure;
  /** Default: openai and xai. */
  readonly providers?: readonly string[];
  readonly onWrite?: (when: "before" | "after", actor: Actor) => Promise<void>;
}

export interface CanaryController extends AsyncDisposable {
  readonly kv: StoreBus;
  readonly plane: KvPlane;
  readonly service: CanaryService;
  readonly audited: readonly AuditRecord[];
  readonly metrics: Registry;
  lead(leading: boolean): void;
  /** One pass over the canaries. */
  pass(): Promise<void>;
}

/** The canaries of one controller on a real bucket, with the rights of a controller. It leads unless set otherwise. */
export async function startController(options: ControllerOptions): Promise<CanaryController> {
  const {
    transport,
    clock,
    measure = async () => evidenceWith(),
    onWrite,
    providers = PLAN.providers,
  } = options;
  const { log } = collectLogs();
  const store = await connectStore({ ...transport, log });
  const bucket = await store.bucket(BUCKETS.control);
  const plane = new KvPlane(bucket, onWrite);
  await plane.look();
  let leading = true;
  const isLeading = () => leading;
  const audited: AuditRecord[] = [];
  const audit = { append: (record: AuditRecord) => void audited.push(record) };
  const intents = new CanaryIntents({ plane, clock, isLeading });
  const common = { plane, store: kvCanaryStore(bucket), intents, audit, clock, isLeading };
  const metrics = new Registry();
  const onDecision = canaryMetrics(metrics, providers).decided;
  const runner = new CanaryRunner({ ...common, measure, log, onDecision });
  return {
    ...{ kv: store, plane, audited, metrics, service: new CanaryService({ ...common, ...PLAN, providers }) },
    lead: (it) => {
      leading = it;
    },
    pass: async () => {
      await plane.look();
      await runner.pass();
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
