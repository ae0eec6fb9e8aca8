import { type Bus, SignedBroadcasts, type StoreBus } from "@scbe/bus";
import { SUBJECTS } from "@scbe/contracts";
import {
  type ClaimedControl,
  type ControlDocument,
  claimedControl,
  supersedes,
  verifiedControl,
} from "@scbe/envelope/control";
import {
  backoffMs,
  type Clock,
  counter,
  type Logger,
  LogLimiter,
  type MetricsRegistry,
  ReconcileLoop,
} from "@scbe/runtime";
import type { SignedControlPlane } from "./plane.ts";
import type { ControlStatus } from "./status.ts";
import { type ControlStore, UnusableRecord } from "./store.ts";

export interface ControlLoopOptions {
  readonly plane: SignedControlPlane;
  readonly store: Pick<ControlStore, "watch">;
  readonly bus: Bus;
  readonly clock: Pick<Clock, "monotonic">;
  /** The connection to the account of the store. */
  readonly link: Pick<StoreBus, "onReconnect">;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly status: ControlStatus;
  /** The environment and key that a document must have. */
  readonly expected: Parameters<typeof verifiedControl>[1];
}

/** The running reconcile loop of a control plane. */
export interface ControlLoop extends AsyncDisposable {
  /** Makes a pass due soon, at most one a second: for events that any verifier can cause. */
  nudgeSoon(): void;
}

/** Between two passes if nothing happens. */
const PASS_MS = 2000;
const RETRY = { firstMs: 50, maxMs: PASS_MS };
const SOON_MS = 100;
const SOON_AGAIN_MS = 1000;

/**
 * Reconciles the plane with the store, takes what other controllers broadcast, and broadcasts the held document after each reconnect.
 * @throws UnusableRecord if the first pass finds a document that this controller's key has not signed
 */
export async function startControlLoop(options: ControlLoopOptions): Promise<ControlLoop> {
  const { plane, store, bus, link, status } = options;
  await using stack = new AsyncDisposableStack();
  let failures = 0;
  let soon: NodeJS.Timeout | undefined;
  const pass = async (): Promise<unknown> => {
    const failure = await plane.reconcile().then(
      () => undefined,
      (error: unknown) => error,
    );
    status.passEnded(failure);
    failures = failure === undefined ? 0 : failures + 1;
    return failure;
  };
  const failure = await pass();
  if (failure instanceof UnusableRecord) throw failure;
  const loop: ReconcileLoop = stack.use(
    new ReconcileLoop(async () => {
      await pass();
      if (failures > 0) loop.nudgeIn(backoffMs(failures, Math.random(), RETRY));
    }, PASS_MS),
  );
  stack.defer(() => clearTimeout(soon));
  stack.use(plane.onUnstored(() => loop.nudge()));
  stack.use(store.watch(() => loop.nudge()));
  stack.use(bus.subscribe(SUBJECTS.controlState, broadcastHandler(options)));
  const onReconnect = (): void => {
    plane.resend();
    loop.nudge();
  };
  stack.use(bus.onReconnect(onReconnect));
  stack.use(link.onReconnect(() => loop.nudge()));
  loop.nudge();
  const held = stack.move();
  return {
    nudgeSoon: () => {
      soon ??= setTimeout(() => {
        loop.nudge();
        soon = setTimeout(() => {
          soon = undefined;
        }, SOON_AGAIN_MS);
      }, SOON_MS);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Takes the documents that other controllers broadcast. */
function broadcastHandler(options: ControlLoopOptions): (message: { readonly data: Uint8Array }) => void {
  const { plane, clock, log, metrics, expected } = options;
  const documents = counter(metrics, "scbe_control_documents_total");
  const unused = new LogLimiter();
  const broadcasts = new SignedBroadcasts<ClaimedControl, ControlDocument>({
    clock,
    parse: claimedControl,
    isNews: (claim) => supersedes(claim, plane.current),
    verify: ({ signed }) => verifiedControl(signed, expected),
  });
  return ({ data }) => {
    const reading = broadcasts.read(data);
    const { result } = reading;
    documents.inc({ result });
    if (reading.result === "applied") plane.offer(reading.value);
    else if (result !== "old")
      unused.note(clock.monotonic(), (count) =>
        log.warn(
          { result, count },
          "a control document was ignored: no controller has signed it, or there are too many",
        ),
      );
  };
}
