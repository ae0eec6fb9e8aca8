import { type ControlState, ScbeError } from "@scbe/contracts";
import type { HealthFacts } from "../domain/health.ts";
import { type FlagsView, showFlags } from "../domain/show-flags.ts";
import type { ApiPorts } from "./api-ports.ts";

/** The state that is in force. @throws ScbeError NOT_READY before the store was read */
export function inForce({ plane }: Pick<ApiPorts, "plane">): ControlState {
  if (plane.current !== undefined) return plane.current.state;
  throw new ScbeError(
    "NOT_READY",
    "the control document was not read yet; see /readyz, or ask another controller",
  );
}

/** A state as `/feature-flags` answers it. */
export function flagsView(state: ControlState, { providers, plane, clock }: ApiPorts): FlagsView {
  return showFlags(state, { providers, verifiers: plane.verifiers(), now: clock.now() });
}

/** What the two health pages tell beside the state. */
export function healthFacts(ports: ApiPorts): HealthFacts {
  const { plane, providers, currentKeyId, clock } = ports;
  return {
    verifiers: plane.verifiers(),
    audience: plane.audience(),
    providers,
    currentKeyId: currentKeyId(),
    now: clock.now(),
  };
}
