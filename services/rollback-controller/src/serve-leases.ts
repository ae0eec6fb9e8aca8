import type { Host, Identity, Leading } from "@scbe/bus";
import { type Environment, type ListedUser, servedAs } from "@scbe/contracts";
import type { UsersFile } from "@scbe/service";
import type { VerifiersStore } from "./edge/kv-verifiers-store.ts";
import { controllerEndpoints, leaseRate } from "./endpoints.ts";
import type { HandBacks } from "./hand-backs.ts";
import type { ControllerMetrics } from "./metrics.ts";
import type { Audience, VerifierReport } from "./ports.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";
import { VerifierKeeper } from "./verifier-keeper.ts";
import { VerifierTable } from "./verifier-table.ts";

export interface ServeLeasesOptions {
  readonly env: Environment;
  readonly leaseMs: number;
  /** Verifiers that are counted of each user. */
  readonly verifiersMax: number;
}

export interface ServeLeasesPorts {
  readonly host: Pick<Host, "bus" | "clock" | "log" | "readiness" | "version">;
  readonly plane: SignedControlPlane;
  readonly leadership: Leading;
  readonly handBacks: HandBacks;
  /** Signs leases: the controllers' own key. */
  readonly identity: Identity;
  /** The users of the deployment. */
  readonly users: Pick<UsersFile, "users" | "byName" | "onChange">;
  readonly metrics: Pick<ControllerMetrics, "answered">;
  /** Where the verifiers are kept that were heard lately. */
  readonly store: VerifiersStore;
  /** Runs once a stored value that could not be read was replaced, with what it was replaced by. */
  readonly onMended: (into: string) => void;
  /** A verifier says that it holds something newer than what is in force here. */
  readonly onAhead: () => void;
}

/** Leases, served while this controller leads and is ready. */
export interface ServedLeases extends AsyncDisposable {
  /** One for each verifier; none where this controller does not lead. */
  reports(): readonly VerifierReport[];
  audience(): Audience;
}

/** Serves leases to the listed users, and keeps what their verifiers say that they hold; which ones there are outlasts this controller. */
export function serveLeases(
  { env, leaseMs, verifiersMax }: ServeLeasesOptions,
  { host, plane, leadership, handBacks, identity, users, metrics, onAhead, ...kept }: ServeLeasesPorts,
): ServedLeases {
  const { bus, clock, log, readiness, version } = host;
  const stack = new AsyncDisposableStack();
  let keeper: VerifierKeeper | undefined;
  const verifiers = new VerifierTable({ leaseMs, verifiersMax, onChange: () => keeper?.nudge() });
  const isAsker = (name: string): boolean => mayAsk(users.byName(name));
  const removed = (): void => {
    verifiers.keep(isAsker);
    handBacks.keep(isAsker);
  };
  stack.use(users.onChange(removed));
  // Before the service, so that it still writes what was heard last.
  keeper = stack.use(new VerifierKeeper({ ...kept, verifiers, isAsker, leadership, clock, log, readiness }));
  const service = stack.use(
    bus.service(
      controllerEndpoints({
        ...{ plane, leadership, verifiers, handBacks, isAsker, identity, env, clock, log, metrics, onAhead },
        userRate: leaseRate({ leaseMs, verifiersMax }),
        version,
      }),
    ),
  );
  let servesSinceMs: number | undefined;
  const follow = (): void => {
    const serves = leadership.leading && readiness.ready;
    servesSinceMs = serves ? (servesSinceMs ?? clock.monotonic()) : undefined;
    void (serves ? service.join() : service.leave());
  };
  stack.use(leadership.onChange(follow));
  stack.use(readiness.onChange(follow));
  follow();
  const hears = (): Audience["hears"] => {
    if (!leadership.leading || servesSinceMs === undefined) return "none";
    return clock.monotonic() - servesSinceMs < leaseMs ? "some" : "all";
  };
  return {
    reports: () => (leadership.leading ? verifiers.reports(plane.current, clock.monotonic()) : []),
    audience: () => ({
      hears: hears(),
      expected: users.users.filter(mayAsk).map(({ name }) => name),
      crowded: verifiers.crowded(clock.monotonic()),
      unnamed: verifiers.unnamed(clock.monotonic()),
      recalls: keeper?.recalls ?? false,
    }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const { askers: ASKERS } = servedAs("controlLease");

function mayAsk(user: ListedUser | undefined): boolean {
  return user !== undefined && ASKERS.includes(user.role);
}
