import { randomUUID } from "node:crypto";
import {
  type Bucket,
  identityFromSeed,
  kvLeaderStore,
  Leadership,
  type Leading,
  mendedRecord,
  type StoreHost,
} from "@scbe/bus";
import { SUBJECTS, USER_STATES, VERIFIER_STATES } from "@scbe/contracts";
import { encodeControl } from "@scbe/envelope/control";
import type { UsersFile } from "@scbe/service";
import type { ChainEnd } from "../audit/chain.ts";
import type { RollbackControllerConfig } from "../config.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import { countBy, userStates } from "./confirmation.ts";
import { HandBacks } from "./hand-backs.ts";
import { serveLeases } from "./leases.ts";
import { startControlLoop } from "./loop.ts";
import { SignedControlPlane } from "./plane.ts";
import { ControlStatus, controllerMetrics, watchControllerGauges } from "./status.ts";
import { kvControlStore } from "./store.ts";
import { kvVerifiersStore } from "./verifier-keeper.ts";

/** The part of the configuration that it needs. */
export type ControlConfig = Pick<
  RollbackControllerConfig,
  | "SCBE_ENVIRONMENT"
  | "SCBE_PROVIDERS"
  | "SCBE_CONTROL_SEED"
  | "SCBE_CONTROL_LEASE_MS"
  | "SCBE_CONTROL_LEADER_MS"
  | "SCBE_CONTROL_VERIFIERS_PER_USER"
>;

export interface ControlPorts {
  readonly host: Pick<StoreHost, "bus" | "store" | "clock" | "log" | "metrics" | "readiness" | "version">;
  readonly audit: Pick<Audit, "append"> & { readonly end: ChainEnd | undefined };
  /** The control bucket. */
  readonly bucket: Bucket;
  /** The users of the deployment. */
  readonly users: Pick<UsersFile, "users" | "byName" | "onChange">;
}

/** The running control plane of this process. */
export interface Control extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly leadership: Leading;
}

/**
 * Starts the control plane: reads or makes the document, competes for leadership, and answers leases while it leads. It starts without
 * JetStream and keeps trying; a kill of everything can be sent from the first moment.
 * @throws UnusableRecord FORBIDDEN if the stored document is not signed by this controller's key for this environment
 */
export async function startControl(
  config: ControlConfig,
  { host, audit, bucket, users }: ControlPorts,
): Promise<Control> {
  const { bus, clock, log, readiness } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  const identity = identityFromSeed(config.SCBE_CONTROL_SEED, "SCBE_CONTROL_SEED");
  const expected = { env, publicKey: identity.publicKey };
  const mended = (record: "control" | "verifiers") =>
    mendedRecord({ metrics: host.metrics, readiness, log, record });
  await using stack = new AsyncDisposableStack();
  const metrics = controllerMetrics(host.metrics, providers);
  const store = stack.use(kvControlStore({ store: host.store, bucket, ...expected }));
  const handBacks = new HandBacks();
  const leaders = stack.use(kvLeaderStore(host.store, bucket));
  const leaderMs = config.SCBE_CONTROL_LEADER_MS;
  const leadership = stack.use(new Leadership({ store: leaders, clock, log, id: randomUUID(), leaderMs }));
  const plane = new SignedControlPlane({
    ...{ store, identity, clock, log, env, providers, audit },
    send: (document) => bus.publish(SUBJECTS.controlState, encodeControl(document)),
    isRelay: () => leadership.leading,
    onMended: mended("control"),
    auditEnd: () => audit.end,
    awaited: () => handBacks.awaited(clock.monotonic()),
    onChanged: (action) => metrics.changed(action),
  });
  stack.use(plane.onChange((document) => metrics.document(document)));
  const outstanding = (generation: number): readonly string[] =>
    handBacks.outstanding(generation, clock.monotonic());
  const status = new ControlStatus({ plane, leadership, readiness, metrics, log, outstanding });
  const loop = stack.use(
    await startControlLoop({
      ...{ plane, store, bus, clock, log, status, expected },
      link: host.store,
      metrics: host.metrics,
    }),
  );
  stack.use(plane.onChange(() => status.update()));
  stack.use(leadership.onChange(() => status.update()));
  const { reports, audience } = stack.use(
    serveLeases(
      { leaseMs: config.SCBE_CONTROL_LEASE_MS, verifiersMax: config.SCBE_CONTROL_VERIFIERS_PER_USER, env },
      {
        ...{ host, plane, leadership, handBacks, identity, users, metrics },
        onAhead: () => loop.nudgeSoon(),
        store: stack.use(kvVerifiersStore(host.store, bucket)),
        onMended: mended("verifiers"),
      },
    ),
  );
  stack.use(
    watchControllerGauges(host.metrics, {
      leading: () => leadership.leading,
      unstoredKills: () => plane.unstoredKills,
      verifiers: () => countBy(VERIFIER_STATES, reports()),
      users: () => countBy(USER_STATES, userStates(reports(), audience())),
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
      verifiers: reports,
      audience,
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
