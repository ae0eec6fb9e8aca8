import type { Bus } from "@scbe/bus";
import { type Logger, type Readiness, ReconcileLoop } from "@scbe/runtime";
import type { KmsHealth, WatchedKms } from "./kms.ts";
import type { KeyringMetrics } from "./metrics.ts";
import type { RingBroadcast } from "./ring-broadcast.ts";
import { type RingKeeper, type RingStore, UnusableRecord } from "./ring-keeper.ts";

export interface RingLoopOptions {
  readonly keeper: RingKeeper;
  readonly store: RingStore;
  readonly kms: WatchedKms;
  readonly broadcast: RingBroadcast;
  /** The bus and the store: a reconnect of either starts a pass. */
  readonly links: readonly Pick<Bus, "onReconnect">[];
  readonly readiness: Readiness;
  readonly metrics: KeyringMetrics;
  readonly log: Logger;
}

/** Between two passes, and two broadcasts, when nothing changes. */
const PASS_MS = 2000;

/**
 * Reconciles the ring every two seconds and on every change, and publishes the outcome of each pass: readiness, metrics, broadcast.
 * @throws UnusableRecord when the first pass finds a record that is not this environment's ring
 */
export async function startRingLoop(options: RingLoopOptions): Promise<AsyncDisposable> {
  const { keeper, store, links, readiness } = options;
  await using stack = new AsyncDisposableStack();
  readiness.declare("kms");
  readiness.declare("keys");
  const status = new RingStatus(options);
  const failure = await pass(options, status);
  if (failure instanceof UnusableRecord) throw failure;
  const loop = stack.use(new ReconcileLoop(async () => void (await pass(options, status)), PASS_MS));
  stack.use(store.watch(() => loop.nudge()));
  for (const link of links) stack.use(link.onReconnect(() => loop.nudge()));
  if (keeper.ring === undefined) loop.nudge();
  return stack.move();
}

/** @returns the failure of the pass; undefined: it succeeded */
async function pass({ keeper, broadcast }: RingLoopOptions, status: RingStatus): Promise<unknown> {
  let failure: unknown;
  try {
    await keeper.reconcile();
  } catch (error) {
    failure = error;
  }
  status.update(failure);
  if (keeper.ring !== undefined) broadcast.send(keeper.ring);
  return failure;
}

type State = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Readiness, metrics and log after each pass. The keyring is ready while it can grant the active key. An outage of KMS is a note only:
 * loaded keys can still be granted, and a keyring that left the queue group would stop those grants.
 */
class RingStatus {
  readonly #options: RingLoopOptions;
  #logged: string | undefined;

  constructor(options: RingLoopOptions) {
    this.#options = options;
  }

  /** @param failure of the last pass; undefined: it succeeded */
  update(failure: unknown): void {
    const { keeper, readiness, metrics } = this.#options;
    const kms = this.#kmsState();
    const note = kms.ok ? {} : { note: `${kms.reason}; loaded keys are granted, new keys are not made` };
    readiness.set("kms", keeper.hasActiveKey ? { ok: true, ...note } : kms);
    readiness.set("keys", this.#keysState(failure));
    metrics.kms(kms.ok);
    metrics.ring(keeper.ring);
    this.#logChange(failure);
  }

  #kmsState(): KmsHealth {
    const { keeper, kms } = this.#options;
    if (!kms.health.ok) return kms.health;
    return keeper.activeKeyIsRefused
      ? { ok: false, reason: "KMS refuses the copy of the active key" }
      : { ok: true };
  }

  #keysState(failure: unknown): State {
    if (failure instanceof UnusableRecord) return { ok: false, reason: failure.message };
    return this.#options.keeper.hasActiveKey
      ? { ok: true }
      : { ok: false, reason: "the active key is not loaded" };
  }

  /** Logs a failure once, not in every pass. */
  #logChange(failure: unknown): void {
    const { log } = this.#options;
    const text = failure === undefined ? undefined : String(failure);
    if (text === this.#logged) return;
    this.#logged = text;
    if (failure === undefined) log.info("the ring is up to date again");
    else log.warn({ err: failure }, "the ring could not be brought up to date");
  }
}
