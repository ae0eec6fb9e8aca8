import type { VerifierConfig, VerifierHost } from "../open-verifier.ts";
import { NO_CONTROL_KEY } from "../variables.ts";
import type { Control } from "./control.ts";
import { ControlFollower } from "./control-follower.ts";
import { noControl } from "./no-control.ts";

/**
 * The control plane of a verifier, as its configuration says.
 * @throws ScbeError BAD_REQUEST for a folder of state that cannot be used
 */
export function openControl(host: VerifierHost, config: VerifierConfig, fallbackAllowed: boolean): Control {
  const publicKey = config.SCBE_CONTROL_PUBLIC_KEY;
  const providers = config.SCBE_PROVIDERS;
  if (publicKey === NO_CONTROL_KEY) return noControl({ ...host, providers });
  const stateDir = config.SCBE_STATE_DIR;
  return new ControlFollower({
    ...host,
    env: config.SCBE_ENVIRONMENT,
    providers,
    publicKey,
    leaseMs: config.SCBE_CONTROL_LEASE_MS,
    stalePolicy: config.SCBE_CONTROL_STALE_POLICY,
    fallbackAllowed,
    ...(stateDir !== undefined && { stateDir }),
  });
}
