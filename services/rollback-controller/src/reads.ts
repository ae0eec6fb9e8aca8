import {
  documentEndpoint,
  READ_RATE,
  type ServiceDefinition,
  type StreamReader,
  streamEndpoint,
} from "@scbe/bus";
import {
  HeldGeneration,
  HeldPlace,
  QUEUES,
  servedAs,
  type TrustDocument,
  writeMessage,
} from "@scbe/contracts";
import { encodeControl } from "@scbe/envelope/control";
import type { ControlPlane } from "./ports.ts";

export interface ReadsOptions {
  readonly plane: Pick<ControlPlane, "current">;
  readonly audit: Pick<StreamReader, "bounds" | "batch">;
  /** What was last heard of trust. */
  readonly trust: { readonly document: TrustDocument | undefined };
  readonly version: string;
}

const COMMON = { placesOf: "user", userRate: READ_RATE, trace: "none" } as const;

/**
 * What every controller tells, whether it leads or not: `scbe.v1.control.get.<user>`, the signed control document as this controller knows it;
 * `scbe.v1.audit.read.<user>`, the audit; `scbe.v1.trust.last.<user>`, the trust document that it heard last, for processes that start while
 * no scorer answers.
 */
export function readEndpoints({ plane, audit, trust, version }: ReadsOptions): ServiceDefinition {
  const controlGet = documentEndpoint(HeldGeneration, ({ generation }) => {
    const { current } = plane;
    if (current === undefined) return undefined;
    return current.state.generation === generation ? "same" : encodeControl(current);
  });
  const trustLast = documentEndpoint(HeldPlace, ({ stream }) => {
    const { document } = trust;
    if (document === undefined) return undefined;
    const isSame = stream?.created === document.stream.created && stream.seq === document.stream.seq;
    return isSame ? "same" : writeMessage(document);
  });
  return {
    name: "rollback-controller",
    version,
    description: "Tells the control document, the audit, and what was last heard of trust",
    queue: QUEUES.controller,
    endpoints: [
      { name: "control-get", ...servedAs("controlGet"), handler: controlGet, ...COMMON },
      { name: "audit-read", ...servedAs("auditRead"), ...streamEndpoint(audit) },
      { name: "trust-last", ...servedAs("trustLast"), handler: trustLast, ...COMMON },
    ],
  };
}
