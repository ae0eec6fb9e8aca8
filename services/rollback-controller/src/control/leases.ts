import type { Host, Identity, Leading } from "@scbe/bus";
import { type Environment, type ListedUser, servedAs } from "@scbe/contracts";
import type { UsersFile } from "@scbe/service";
import { controllerEndpoints, leaseRate } from "../endpoints.ts";
import type { Audience, VerifierReport } from "../ports.ts";
import type { HandBacks } from "./hand-backs.ts";
import type { SignedControlPlane } from "./plane.ts";
import type { ControllerMetrics } from "./status.ts";
import { VerifierKeeper, type VerifiersStore } from "./verifier-keeper.ts";
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
  /** Signs leases: the key that all controllers share. */
  readonly identity: Identity;
  /** The users of the deployment. */
  readonly users: Pick<UsersFile, "users" | "byName" | "onChange">;
  readonly metrics: Pick<ControllerMetrics, "answered">;
  /** Keeps the recently heard verifiers for the next leader. */
  readonly store: VerifiersStore;
  /** Runs after an unreadable stored value was replaced; `into` describes the new one. */
  readonly onMended: (into: string) => void;
  /** A verifier says that it holds something newer than the document in force. */
  readonly onAhead: () => void;
}

/** Leases, served while this controller leads and is ready. */
export interface ServedLeases extends AsyncDisposable {
  /** One for each verifier; empty if this controller does not lead. */
  reports(): readonly VerifierReport[];
  audience(): Audience;
}

/** Serves leases to the listed users and notes what their verifiers hold. The list of verifiers outlives this controller. */
export function serveLeases(
  { env, leaseMs, verifiersMax }: ServeLeasesOptions,
  { host, plane, leadership, handBacks, identity, users, metrics, onAhead, ...kept }: ServeLeasesPorts,
): ServedLeases {
  const { bus, clock, log, readiness, version } = host;
  const stack = new AsyncDisposableStack();
  const verifiers = new VerifierTable({ leaseMs, verifiersMax });
  const isLeaseUser = (name: string): boolean => mayRequestLease(users.byName(name));
  const removed = (): void => {
    verifiers.keep(isLeaseUser);
    handBacks.keep(isLeaseUser);
  };
  stack.use(users.onChange(removed));
  // Disposed after the service, so that it still writes the last verifiers that were heard.
  const keeper = stack.use(
    new VerifierKeeper({ ...kept, verifiers, isLeaseUser, leadership, clock, log, readiness }),
  );
  stack.use(verifiers.onChange(() => keeper.nudge()));
  const service = stack.use(
    bus.service(
      controllerEndpoints({
        ...{
          plane,
          leadership,
          verifiers,
          handBacks,
          isLeaseUser,
          identity,
          env,
          clock,
          log,
          metrics,
          onAhead,
        },
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
      expected: users.users.filter(mayRequestLease).map(({ name }) => name),
      crowded: verifiers.crowded(clock.monotonic()),
      unnamed: verifiers.unnamed(clock.monotonic()),
      recalls: keeper.recalls,
    }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const { askers: ROLES } = servedAs("controlLease");

function mayRequestLease(user: ListedUser | undefined): boolean {
  return user !== undefined && ROLES.includes(user.role);
}
