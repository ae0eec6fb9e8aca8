import type { EndpointAnswer, EndpointRequest, Identity, Leading, ServiceDefinition } from "@scbe/bus";
import {
  type Environment,
  LeaseRequest,
  QUEUES,
  readMessage,
  ScbeError,
  servedAs,
  writeMessage,
} from "@scbe/contracts";
import { answerLease, claimOf, supersedes, verifiedControl } from "@scbe/envelope/control";
import type { Clock, Logger, Rate } from "@scbe/runtime";
import type { HandBacks } from "./hand-backs.ts";
import type { ControllerMetrics } from "./metrics.ts";
import type { SignedControlPlane } from "./signed-control-plane.ts";
import type { VerifierTable } from "./verifier-table.ts";

export interface EndpointsOptions {
  readonly plane: Pick<SignedControlPlane, "current" | "offer">;
  readonly leadership: Pick<Leading, "leading">;
  readonly verifiers: Pick<VerifierTable, "note">;
  readonly handBacks: Pick<HandBacks, "admit" | "announce" | "keptWord">;
  /** True for a user of the deployment that may ask for leases. */
  readonly isAsker: (user: string) => boolean;
  /** What each user may ask. */
  readonly userRate: Rate;
  /** Signs leases: the controllers' own key. */
  readonly identity: Identity;
  readonly env: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<ControllerMetrics, "answered">;
  /** A verifier says that it holds something newer than what is in force here: the store is to be read. */
  readonly onAhead: () => void;
  readonly version: string;
}

/** A document with every character escaped, and what is around it. */
const QUESTION_BYTES_MAX = 256 * 1024;
/** No question without a document is longer, and none with one is shorter. */
const PLAIN_BYTES_MAX = 400;

/**
 * `scbe.v1.control.lease.<user>`: a question in JSON, the signed lease in JSON. What is cheap is looked at first: the user's rate, the
 * size, the list of users. A verifier that holds a newer document than this controller hands it back, and is answered with that one
 * at once.
 */
export function controllerEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { plane, leadership, verifiers, identity, clock, log, metrics, isAsker, userRate, version } = options;
  const lease = ({ user, data }: EndpointRequest): EndpointAnswer => {
    // One that was frozen may find old questions when it goes on.
    if (!leadership.leading) throw new ScbeError("NOT_READY", "this controller does not lead");
    if (!isAsker(user))
      throw new ScbeError("FORBIDDEN", "this user is not on the list of those that may ask");
    const question = readQuestion(user, data, options);
    takeBack(user, question, options);
    if (!verifiers.note(user, question, clock.monotonic()))
      log.debug({ user, verifier: question.verifier }, "a verifier beyond the limit of its user");
    if (plane.current === undefined) throw new ScbeError("NOT_READY", "no control document is known yet");
    metrics.answered();
    return { data: writeMessage(answerLease(question, plane.current, identity)) };
  };
  return {
    name: "rollback-controller",
    version,
    description: "Says which control document is in force, and signs that it said so just now",
    queue: QUEUES.controller,
    endpoints: [{ name: "lease", ...servedAs("controlLease"), placesOf: "user", userRate, handler: lease }],
  };
}

export interface LeaseRateOptions {
  readonly leaseMs: number;
  /** Verifiers of each user. */
  readonly verifiersMax: number;
}

/** Of one verifier, in one lease time: two, each sent again where the first was swallowed, or twice as many after a failure. */
const QUESTIONS_A_LEASE = 4;
/** Of one verifier, at once: one after each change, where several follow each other, and what was asked again while a controller was frozen. */
const QUESTIONS_AT_ONCE = 8;

/** What each user may ask: all its verifiers as often as they need to, whatever the lease time, and no more. */
export function leaseRate({ leaseMs, verifiersMax }: LeaseRateOptions): Rate {
  return {
    burst: verifiersMax * QUESTIONS_AT_ONCE,
    perSecond: (verifiersMax * QUESTIONS_A_LEASE * 1000) / leaseMs,
  };
}

/**
 * A verifier can know more than a store that was lost or restored. Its document is taken for its signature alone, from any user; what
 * it only says that it holds is nothing but a reason to look into the store.
 */
function takeBack(user: string, { held, state }: LeaseRequest, options: EndpointsOptions): void {
  const { plane, handBacks, identity, env, clock, log, onAhead } = options;
  const known = plane.current?.state.generation ?? 0;
  // What is not news would be verified for nothing, as often as it is asked.
  const claim = state && claimOf(state);
  const isNews = claim !== undefined && supersedes(claim, plane.current);
  const document = isNews ? verifiedControl(claim.signed, { env, publicKey: identity.publicKey }) : undefined;
  if (document !== undefined && plane.offer(document)) {
    onAhead();
    handBacks.keptWord(user);
    const { generation } = document.state;
    log.error({ user, generation, known }, "a verifier held a newer document than the store");
    return;
  }
  if (held === null || held.generation < known || held.digest === plane.current?.digest) return;
  onAhead();
  const { generation } = held;
  if (generation > known && handBacks.announce(user, generation, clock.monotonic()))
    log.warn({ user, generation, known }, "a verifier says that it holds a newer document");
}

function readQuestion(user: string, data: Uint8Array, { handBacks, clock }: EndpointsOptions): LeaseRequest {
  const handsBack = data.length > PLAIN_BYTES_MAX;
  if (handsBack && !handBacks.admit(user, clock.monotonic()))
    throw new ScbeError("BUSY", "this user hands back too many documents; ask without one");
  const question = readMessage(data, LeaseRequest, QUESTION_BYTES_MAX);
  if (question === undefined || (!handsBack && question.state !== undefined)) throw malformed();
  return question;
}

function malformed(): ScbeError {
  return new ScbeError("BAD_REQUEST", "this is no question for a lease");
}
