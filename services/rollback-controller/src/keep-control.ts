import { SUBJECTS } from "@scbe/contracts";
import { readControl } from "@scbe/envelope/control";
import { type Bus, backoffMs, type Logger, Turns } from "@scbe/service-kit";
import type { ControlStore } from "./ports.ts";
import type { ShowControl } from "./show-control.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";
import { UnusableRecord } from "./unusable-record.ts";

export interface KeepControlOptions {
  readonly plane: SignedControlPlane;
  readonly store: Pick<ControlStore, "watch">;
  readonly bus: Bus;
  readonly log: Logger;
  readonly shown: ShowControl;
  /** What a document must bear. */
  readonly expected: Parameters<typeof readControl>[1];
}

/** The turns of a control plane, under way. */
export interface ControlKeeping extends AsyncDisposable {
  /** A turn is due now. */
  nudge(): void;
  /** A turn is due before long: for whoever can be made to ask for many. */
  nudgeSoon(): void;
}

/** Between two looks at the store when nothing happens. */
const TURN_MS = 2000;
const RETRY = { firstMs: 50, maxMs: TURN_MS };
const SOON_MS = 100;

/**
 * Has the plane take its turns, hear other controllers, and send what it holds after each reconnect.
 * @throws UnusableRecord when the first turn finds a record that this controller has not signed
 */
export async function keepControl(options: KeepControlOptions): Promise<ControlKeeping> {
  const { plane, store, bus, log, shown, expected } = options;
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
  const turns: Turns = stack.use(
    new Turns(async () => {
      await turn();
      if (failures > 0) turns.nudgeIn(backoffMs(failures, Math.random(), RETRY));
    }, TURN_MS),
  );
  stack.defer(() => clearTimeout(soon));
  stack.use(store.watch(() => turns.nudge()));
  stack.use(
    bus.subscribe(SUBJECTS.controlState, ({ data }) => {
      const document = readControl(data, expected);
      if (document === undefined) log.warn("a control document was heard that no controller has signed");
      else plane.offer(document);
    }),
  );
  const onReconnect = (): void => {
    plane.resend();
    turns.nudge();
  };
  stack.use(bus.onReconnect(onReconnect));
  turns.nudge();
  const held = stack.move();
  return {
    nudge: () => turns.nudge(),
    nudgeSoon: () => {
      soon ??= setTimeout(() => {
        soon = undefined;
        turns.nudge();
      }, SOON_MS);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
