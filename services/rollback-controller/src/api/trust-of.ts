import { ScbeError } from "@scbe/contracts";
import type { TrustPort } from "../trust/trust-port.ts";
import type { ApiPorts } from "./api-ports.ts";

/** @throws ScbeError NOT_READY where there is none */
export function trustOf({ trust }: Pick<ApiPorts, "trust">): TrustPort {
  if (trust === undefined) throw new ScbeError("NOT_READY", "this controller has nothing to do with trust");
  return trust;
}
