import type { Clock, Logger } from "@scbe/service-kit";
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
  readonly tokens: Tokens;
  /** Those of the deployment: no other can be named. */
  readonly providers: readonly string[];
  /** Whether this deployment lets traffic go unsealed. */
  readonly fallbackPermitted: boolean;
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
}

/** Takes what Alertmanager posts, as text. */
export interface AlertReceiver {
  receive(body: string): Promise<AlertAnswer>;
}

export interface AlertAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}
