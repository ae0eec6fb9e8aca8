import type { Readable } from "node:stream";
import type { Clock, Logger, Readiness } from "@scbe/runtime";
import type { FiringsPort } from "../alerts/known-firings.ts";
import type { CanaryPort } from "../canary/canary-port.ts";
import type { Prometheus } from "../edge/prometheus.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import type { TrustPort } from "../trust/trust-port.ts";
import type { Tokens } from "./tokens.ts";

/** What the control API needs of the controller around it. */
export interface ApiPorts {
  readonly plane: ControlPlane;
  readonly audit: Pick<Audit, "read">;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
  readonly tokens: Tokens;
  /** Those of the deployment: no other can be named. */
  readonly providers: readonly string[];
  /** The kid of the data key in use; `undefined` while the keyring has not been heard. */
  readonly currentKeyId: () => string | undefined;
  /** Absent: there are no metrics to show. */
  readonly prometheus?: Prometheus;
  /** Absent: there is no canary to steer. */
  readonly canary?: CanaryPort;
  /** Absent: nothing is shown or said of trust. */
  readonly trust?: TrustPort;
  /** Absent: alerts switch nothing off. */
  readonly webhook?: AlertReceiver;
  /** Absent: nothing is remembered of alerts. */
  readonly firings?: FiringsPort;
}

/** Takes what Alertmanager posts. */
export interface AlertReceiver {
  receive(body: Readable): Promise<AlertAnswer>;
  /** Counts a post that was answered with that status, by any part of the server. */
  refused(status: number): void;
}

export interface AlertAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}
