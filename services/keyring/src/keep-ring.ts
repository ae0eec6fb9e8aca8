import type { Bus } from "@scbe/bus";
import { ReconcileLoop } from "@scbe/runtime";
import type { RingStore } from "./ports.ts";
import type { RingBroadcast } from "./ring-broadcast.ts";
import { Shown, type ShownOptions } from "./shown.ts";
import { UnusableRecord } from "./unusable-record.ts";

export interface KeepRingOptions extends ShownOptions {
  readonly store: RingStore;
  readonly broadcast: RingBroadcast;
  /** Of the bus and of the store: the ring is looked at again when one is back. */
  readonly links: readonly Pick<Bus, "onReconnect">[];
}

/** Between two looks at KV, and two broadcasts, when nothing changes. */
const TURN_MS = 2000;

/**
 * Has the keeper take its turns, and shows after each how things stand: readiness, metrics, broadcast.
 * @throws UnusableRecord when the first turn finds a record that is not this environment's ring
 */
export async function keepRing(options: KeepRingOptions): Promise<AsyncDisposable> {
  const { keeper, store, links, readiness } = options;
  await using stack = new AsyncDisposableStack();
  readiness.declare("kms");
  readiness.declare("keys");
  const shown = new Shown(options);
  const failure = await turn(options, shown);
  if (failure instanceof UnusableRecord) throw failure;
  const turns = stack.use(new ReconcileLoop(async () => void (await turn(options, shown)), TURN_MS));
  stack.use(store.watch(() => turns.nudge()));
  for (const link of links) stack.use(link.onReconnect(() => turns.nudge()));
  if (keeper.ring === undefined) turns.nudge();
  return stack.move();
}

/** What the turn failed with, if it did. */
async function turn({ keeper, broadcast }: KeepRingOptions, shown: Shown): Promise<unknown> {
  let failure: unknown;
  try {
    await keeper.turn();
  } catch (error) {
    failure = error;
  }
  shown.after(failure);
  if (keeper.ring !== undefined) broadcast.send(keeper.ring);
  return failure;
}
