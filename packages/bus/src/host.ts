import type { Clock, Logger, MetricsRegistry, Readiness } from "@scbe/runtime";
import type { Bus } from "./bus.ts";
import type { Identity } from "./identity.ts";
import type { StoreBus } from "./store-bus.ts";

/** What a running process hands to its service: everything it needs of the world, and nothing global. */
export interface Host {
  readonly name: string;
  readonly version: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Shown on `/metrics`; the metrics of the table register themselves here (`counter`, `histogram`, `gauge`). */
  readonly metrics: MetricsRegistry;
  /** Shown on `/readyz`. The bus's connection is declared already, as `nats`. */
  readonly readiness: Readiness;
  readonly bus: Bus;
  /** `undefined` on an open server. */
  readonly identity: Identity | undefined;
  /** Aborts when the process is told to stop. */
  readonly signal: AbortSignal;
}

/** What a service with state gets: also the connection into the account of its store. */
export interface StoreHost extends Host {
  readonly store: StoreBus;
}
