import { type Environment, LeaseQuestion, QUEUES, ScbeError, SUBJECTS } from "@scbe/contracts";
import { answerLease, verifyControl } from "@scbe/envelope/control";
import type {
  Clock,
  EndpointAnswer,
  EndpointRequest,
  Identity,
  Leading,
  Logger,
  ServiceDefinition,
} from "@scbe/service-kit";
import { isBelievable } from "./domain/is-believable.ts";
import type { ControllerMetrics } from "./metrics.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";
import type { VerifierTable } from "./verifier-table.ts";

export interface EndpointsOptions {
  readonly plane: SignedControlPlane;
  readonly leadership: Pick<Leading, "leading">;
  readonly verifiers: VerifierTable;
  /** Signs leases: the controllers' own key. */
  readonly identity: Identity;
  readonly env: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<ControllerMetrics, "answered">;
  /** A verifier holds something that is not in force here: the store is to be read. */
  readonly onAhead: () => void;
  readonly version: string;
}

/** A document with every character escaped, and what is around it. */
const QUESTION_BYTES_MAX = 128 * 1024;
const CONCURRENCY_MAX = 4096;

/**
 * `scbe.v1.control.lease`: a question in JSON, the signed lease in JSON. A verifier that holds a newer document than this
 * controller hands it back, and is answered with that one at once.
 */
export function controllerEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { plane, leadership, verifiers, identity, clock, metrics, version } = options;
  const lease = ({ data }: EndpointRequest): EndpointAnswer => {
    // One that was frozen may find old questions when it goes on.
    if (!leadership.leading) throw new ScbeError("NOT_READY", "this controller does not lead");
    const question = parse(data);
    takeBack(question, options);
    verifiers.note(question, clock.monotonic());
    if (plane.current === undefined) throw new ScbeError("NOT_READY", "no control document is known yet");
    metrics.answered();
    return { data: Buffer.from(JSON.stringify(answerLease(question, plane.current, identity))) };
  };
  return {
    name: "rollback-controller",
    version,
    description: "Says which control document is in force, and signs that it said so just now",
    queue: QUEUES.controller,
    endpoints: [
      { name: "lease", subject: SUBJECTS.controlLease, handler: lease, concurrency: CONCURRENCY_MAX },
    ],
  };
}

/**
 * A verifier can know more than a store that was lost or restored. Its document is taken for its signature, whoever brings it; a
 * generation that it only claims to hold decides nothing but the number of the next document.
 */
function takeBack({ held, state, name }: LeaseQuestion, options: EndpointsOptions): void {
  const { plane, identity, env, clock, log, onAhead } = options;
  const current = plane.current?.state.generation ?? 0;
  if (held === null || held.generation < current || held.digest === plane.current?.digest) return;
  onAhead();
  const document = state && verifyControl(state, { env, publicKey: identity.publicKey });
  if (document !== undefined) {
    if (!plane.offer(document)) return;
    const { generation } = document.state;
    log.error(
      { verifier: name, generation, known: current },
      "a verifier held a newer document than the store",
    );
    return;
  }
  if (held.generation > current && isBelievable(held.generation, { current, nowMs: clock.now() }))
    plane.acknowledged(held.generation);
}

function parse(data: Uint8Array): LeaseQuestion {
  if (data.length > QUESTION_BYTES_MAX) throw malformed();
  try {
    return LeaseQuestion.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    throw malformed();
  }
}

function malformed(): ScbeError {
  return new ScbeError("BAD_REQUEST", "this is no question for a lease");
}
