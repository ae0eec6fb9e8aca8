import type { Environment } from "@scbe/contracts";
import { lp } from "../lp.ts";

/** What the controller signs. A signature for one of them is none for another. */
export type ControlKind = "state" | "lease";

/** The bytes that the controller signs: `LP("scbe/v1/" + kind) LP(env) || payload`, the payload in RFC 8785 form to its end. */
export function controlBytes(kind: ControlKind, env: Environment, payload: string): Buffer {
  return Buffer.concat([lp(`scbe/v1/${kind}`, env), Buffer.from(payload, "utf8")]);
}
