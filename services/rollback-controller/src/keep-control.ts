import { type Bus, SignedBroadcasts, type StoreBus } from "@scbe/bus";
import { SUBJECTS } from "@scbe/contracts";
import {
  type ClaimedControl,
  type ControlDocument,
  claimedControl,
  supersedes,
  verifiedControl,
} from "@scbe/envelope/control";
import type { MetricsRegistry } from "@scbe/runtime";
import { backoffMs, type Clock, counter, type Logger, LogLimiter, ReconcileLoop } from "@scbe/runtime";
import type { ControlStore } from "./ports.ts";
import type { ShowControl } from "./show-control.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";
import { UnusableRecord } from "./unusable-record.ts";

export interface KeepControlOptions {
  readonly plane: SignedControlPlane;
  readonly store: Pick<ControlStore, "watch">;
  readonly bus: Bus;
  readonly clock: Pick<Clock, "monotonic">;
  /** To the account of the store. */
  readonly link: Pick<StoreBus, "onReconnect">;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly shown: ShowControl;
  /** What a document must bear. */
  readonly expected: Parameters<typeof verifiedControl>[1];
}

/** The turns of a control plane, under way. */
export interface ControlKeeping extends AsyncDisposable {
  /** A turn is due now. */
  nudge(): void;
  /** A turn is due before long, and one a second at most: for what any verifier can cause. */
  nudgeSoon(): void;
}

/** Between two looks at the store when nothing happens. */
const TURN_MS = 2000;
const RETRY = { firstMs: 50, maxMs: TURN_MS };
const SOON_MS = 100;
const SOON_AGAIN_MS = 1000;

/**
 * Has the plane take its turns, hear other controllers, and send what it holds after each reconnect.
 * @throws UnusableRecord when the first turn finds a record that this controller has not signed
 */
export async function keepControl(options: KeepControlOptions): Promise<ControlKeeping> {
  const { plane, store, bus, link, shown } = options;
  await using stack = new AsyncDisposableStack();
  let failures = 0;
  let soon: NodeJS.Timeout | undefined;
  const turn = async (): Promise<unknown> => {
    const failure = await plane.turn().then(
      () => undefined,
      (error: unknown) => error,
    );
    shown.after(failure);
    failures = failure === undefined ? 0 : failures + 1;
    return failure;
  };
  const failure = await turn();
  if (failure instanceof UnusableRecord) throw failure;
  const turns: ReconcileLoop = stack.use(
    new ReconcileLoop(async () => {
      await turn();
      if (failures > 0) turns.nudgeIn(backoffMs(failures, Math.random(), RETRY));
    }, TURN_MS),
  );
  stack.defer(() => clearTimeout(soon));
  stack.use(store.watch(() => turns.nudge()));
  stack.use(bus.subscribe(SUBJECTS.controlState, hearing(options)));
  const onReconnect = (): void => {
    plane.resend();
    turns.nudge();
  };
  stack.use(bus.onReconnect(onReconnect));
  stack.use(link.onReconnect(() => turns.nudge()));
  turns.nudge();
  const held = stack.move();
  return {
    nudge: () => turns.nudge(),
    nudgeSoon: () => {
      soon ??= setTimeout(() => {
        turns.nudge();
        soon = setTimeout(() => {
          soon = undefined;
        }, SOON_AGAIN_MS);
      }, SOON_MS);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Takes what other controllers broadcast. */
function hearing(options: KeepControlOptions): (message: { readonly data: Uint8Array }) => void {
  const { plane, clock, log, metrics, expected } = options;
  const shown = counter(metrics, "scbe_control_documents_total");
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
    shown.inc({ result });
    if (reading.result === "applied") plane.offer(reading.value);
    else if (result !== "old")
      unused.note(clock.monotonic(), (count) =>
        log.warn({ result, count }, "a control document was not used: no controller's, or one too many"),
      );
  };
}
