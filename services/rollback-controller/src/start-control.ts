import { randomUUID } from "node:crypto";
import { SUBJECTS } from "@scbe/contracts";
import { encodeControl } from "@scbe/envelope/control";
import {
  type Bucket,
  type Host,
  identityFromSeed,
  kvLeaderStore,
  Leadership,
  type Leading,
} from "@scbe/service-kit";
import type { RollbackControllerConfig } from "./config.ts";
import { kvControlStore } from "./edge/kv-control-store.ts";
import { controllerEndpoints } from "./endpoints.ts";
import { type ControlKeeping, keepControl } from "./keep-control.ts";
import { controllerMetrics, showSights } from "./metrics.ts";
import type { Audit, ControlPlane } from "./ports.ts";
import { ShowControl } from "./show-control.ts";
import { SignedControlPlane } from "./signed-control-plane.ts";
import { VerifierTable } from "./verifier-table.ts";

/** What of the configuration it takes. */
export type ControlConfig = Pick<
  RollbackControllerConfig,
  | "SCBE_ENVIRONMENT"
  | "SCBE_PROVIDERS"
  | "SCBE_CONTROL_SEED"
  | "SCBE_CONTROL_LEASE_MS"
  | "SCBE_CONTROL_LEADER_MS"
>;

export interface ControlPorts {
  readonly host: Pick<Host, "bus" | "clock" | "log" | "metrics" | "readiness" | "version">;
  readonly audit: Pick<Audit, "append">;
  /** The control bucket. */
  readonly bucket: Bucket;
}

/** The control plane of this process, at work. */
export interface Control extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly leadership: Leading;
}

/**
 * Starts it: reads or makes the document, takes part in who leads, and answers leases while it leads. It comes up without
 * JetStream, and goes on trying; a kill of everything can be sent from the first moment on.
 * @throws UnusableRecord FORBIDDEN when what is stored is not signed by this controller's key for this environment
 */
export async function startControl(
  config: ControlConfig,
  { host, audit, bucket }: ControlPorts,
): Promise<Control> {
  const { bus, clock, log, readiness, version } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  const identity = identityFromSeed(config.SCBE_CONTROL_SEED, "SCBE_CONTROL_SEED");
  const expected = { env, publicKey: identity.publicKey };
  await using stack = new AsyncDisposableStack();
  const metrics = controllerMetrics(host.metrics, providers);
  const store = stack.use(kvControlStore({ bus, bucket, ...expected }));
  let keeping: ControlKeeping | undefined;
  const plane = new SignedControlPlane({
    ...{ store, identity, clock, log, env, providers, audit },
    send: (document) => bus.publish(SUBJECTS.controlState, encodeControl(document)),
    onUnsettled: () => keeping?.nudge(),
    isRelay: () => leadership.leading,
    onChanged: (action) => metrics.changed(action),
  });
  stack.use(plane.onChange((document) => metrics.document(document)));
  const leaders = stack.use(kvLeaderStore(bus, bucket));
  const leaderMs = config.SCBE_CONTROL_LEADER_MS;
  const leadership = stack.use(new Leadership({ store: leaders, clock, log, id: randomUUID(), leaderMs }));
  const shown = new ShowControl({ plane, leadership, readiness, metrics, log });
  keeping = stack.use(await keepControl({ plane, store, bus, log, shown, expected }));
  stack.use(plane.onChange(() => shown.show()));
  stack.use(leadership.onChange(() => shown.show()));

  const verifiers = new VerifierTable(config.SCBE_CONTROL_LEASE_MS);
  const onAhead = (): void => keeping?.nudgeSoon();
  const service = stack.use(
    bus.service(
      controllerEndpoints({
        plane,
        leadership,
        verifiers,
        identity,
        env,
        clock,
        log,
        metrics,
        onAhead,
        version,
      }),
    ),
  );
  const follow = (): void => {
    if (leadership.leading && readiness.ready) void service.join();
    else void service.leave();
  };
  stack.use(leadership.onChange(follow));
  stack.use(readiness.onChange(follow));
  follow();
  stack.use(
    showSights(host.metrics, {
      leading: () => leadership.leading,
      unstoredKills: () => plane.unstoredKills,
      verifiers: () => verifiers.counts(plane.current, clock.monotonic()),
    }),
  );
  const held = stack.move();
  return {
    leadership,
    plane: {
      get current() {
        return plane.current;
      },
      change: (change, actor) => plane.change(change, actor),
      kill: (order, actor) => plane.kill(order, actor),
      onChange: (listener) => plane.onChange(listener),
      verifiers: () => verifiers.reports(plane.current, clock.monotonic()),
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
