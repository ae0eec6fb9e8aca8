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
import type { RollbackControllerConfig } from "./config.ts";
import type { ChainEnd } from "./domain/audit-chain.ts";
import { userStates } from "./domain/confirmation.ts";
import { countBy } from "./domain/counts.ts";
import { kvControlStore } from "./edge/kv-control-store.ts";
import { kvVerifiersStore } from "./edge/kv-verifiers-store.ts";
import { HandBacks } from "./hand-backs.ts";
import { type ControlKeeping, keepControl } from "./keep-control.ts";
import { controllerMetrics, showSights } from "./metrics.ts";
import type { Audit, ControlPlane } from "./ports.ts";
import { serveLeases } from "./serve-leases.ts";
import { ShowControl } from "./show-control.ts";
import { SignedControlPlane } from "./signed-control-plane.ts";

/** What of the configuration it takes. */
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
  { host, audit, bucket, users }: ControlPorts,
): Promise<Control> {
  const { bus, clock, log, readiness } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers } = config;
  const identity = identityFromSeed(config.SCBE_CONTROL_SEED, "SCBE_CONTROL_SEED");
  const expected = { env, publicKey: identity.publicKey };
  await using stack = new AsyncDisposableStack();
  const metrics = controllerMetrics(host.metrics, providers);
  const store = stack.use(kvControlStore({ store: host.store, bucket, ...expected }));
  const handBacks = new HandBacks();
  let keeping: ControlKeeping | undefined;
  const plane = new SignedControlPlane({
    ...{ store, identity, clock, log, env, providers, audit },
    send: (document) => bus.publish(SUBJECTS.controlState, encodeControl(document)),
    onUnsettled: () => keeping?.nudge(),
    isRelay: () => leadership.leading,
    onMended: mendedRecord({ metrics: host.metrics, readiness, log, record: "control" }),
    auditEnd: () => audit.end,
    awaited: () => handBacks.awaited(clock.monotonic()),
    onChanged: (action) => metrics.changed(action),
  });
  stack.use(plane.onChange((document) => metrics.document(document)));
  const leaders = stack.use(kvLeaderStore(host.store, bucket));
  const leaderMs = config.SCBE_CONTROL_LEADER_MS;
  const leadership = stack.use(new Leadership({ store: leaders, clock, log, id: randomUUID(), leaderMs }));
  const unshown = (generation: number): readonly string[] => handBacks.unshown(generation, clock.monotonic());
  const shown = new ShowControl({ plane, leadership, readiness, metrics, log, unshown });
  keeping = stack.use(
    await keepControl({
      plane,
      store,
      bus,
      link: host.store,
      clock,
      log,
      metrics: host.metrics,
      shown,
      expected,
    }),
  );
  stack.use(plane.onChange(() => shown.show()));
  stack.use(leadership.onChange(() => shown.show()));

  const verifiersStore = stack.use(kvVerifiersStore(host.store, bucket));
  const { reports, audience } = stack.use(
    serveLeases(
      { leaseMs: config.SCBE_CONTROL_LEASE_MS, verifiersMax: config.SCBE_CONTROL_VERIFIERS_PER_USER, env },
      {
        ...{ host, plane, leadership, handBacks, identity, users, metrics },
        onAhead: () => keeping?.nudgeSoon(),
        store: verifiersStore,
        onMended: mendedRecord({ metrics: host.metrics, readiness, log, record: "verifiers" }),
      },
    ),
  );
  stack.use(
    showSights(host.metrics, {
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
