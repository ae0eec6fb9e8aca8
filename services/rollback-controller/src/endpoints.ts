import {
  documentEndpoint,
  type EndpointAnswer,
  type EndpointRequest,
  type Identity,
  type Leading,
  READ_RATE,
  type ServiceDefinition,
  type StreamReader,
  streamEndpoint,
} from "@scbe/bus";
import {
  type Environment,
  HeldGeneration,
  HeldPlace,
  LeaseRequest,
  QUEUES,
  readMessage,
  ScbeError,
  servedAs,
  type TrustDocument,
  writeMessage,
} from "@scbe/contracts";
import { answerLease, claimOf, encodeControl, supersedes, verifiedControl } from "@scbe/envelope/control";
import type { Clock, Logger, Rate } from "@scbe/runtime";
import type { HandBacks } from "./control/hand-backs.ts";
import type { SignedControlPlane } from "./control/plane.ts";
import type { ControllerMetrics } from "./control/status.ts";
import type { VerifierTable } from "./control/verifier-table.ts";
import type { ControlPlane } from "./ports.ts";

export interface EndpointsOptions {
  readonly plane: Pick<SignedControlPlane, "current" | "offer">;
  readonly leadership: Pick<Leading, "leading">;
  readonly verifiers: Pick<VerifierTable, "note">;
  readonly handBacks: Pick<HandBacks, "admit" | "announce" | "delivered">;
  /** True for a user of the deployment that may request leases. */
  readonly isLeaseUser: (user: string) => boolean;
  readonly userRate: Rate;
  /** Signs leases: the key that all controllers share. */
  readonly identity: Identity;
  readonly env: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<ControllerMetrics, "answered">;
  /** A verifier says that it holds something newer than the document in force: the store has to be read. */
  readonly onAhead: () => void;
  readonly version: string;
}

/** A document with every character escaped, and the request around it. */
const REQUEST_BYTES_MAX = 256 * 1024;
/** No request without a document is longer, and none with a document is shorter. */
const PLAIN_BYTES_MAX = 400;

/**
 * `scbe.v1.control.lease.<user>`: the lease request in JSON, the signed lease in JSON. Cheap checks come first: the user's rate, the size,
 * the list of users. A verifier that holds a newer document than this controller hands it back, and the lease is for that document.
 */
export function controllerEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { plane, leadership, verifiers, identity, clock, log, metrics, isLeaseUser, userRate, version } =
    options;
  const lease = ({ user, data }: EndpointRequest): EndpointAnswer => {
    // A controller that was frozen may find old requests when it resumes.
    if (!leadership.leading) throw new ScbeError("NOT_READY", "this controller does not lead");
    if (!isLeaseUser(user)) throw new ScbeError("FORBIDDEN", "this user is not listed to request leases");
    const request = readRequest(user, data, options);
    takeBack(user, request, options);
    if (!verifiers.note(user, request, clock.monotonic()))
      log.debug({ user, verifier: request.verifier }, "a verifier beyond the limit of its user");
    if (plane.current === undefined) throw new ScbeError("NOT_READY", "no control document is known yet");
    metrics.answered();
    return { data: writeMessage(answerLease(request, plane.current, identity)) };
  };
  return {
    name: "rollback-controller",
    version,
    description: "Leases: signs that a control document is in force now",
    queue: QUEUES.controller,
    endpoints: [{ name: "lease", ...servedAs("controlLease"), placesOf: "user", userRate, handler: lease }],
  };
}

export interface LeaseRateOptions {
  readonly leaseMs: number;
  /** Verifiers of each user. */
  readonly verifiersMax: number;
}

/** Of one verifier in one lease time: two, each sent again if the first was lost, or twice as many after a failure. */
const REQUESTS_PER_LEASE = 4;
/** Of one verifier at once: one after each of several changes, and those that were repeated while a controller was frozen. */
const REQUESTS_AT_ONCE = 8;

/** The rate of each user: enough for all its verifiers at any lease time, and no more. */
export function leaseRate({ leaseMs, verifiersMax }: LeaseRateOptions): Rate {
  return {
    burst: verifiersMax * REQUESTS_AT_ONCE,
    perSecond: (verifiersMax * REQUESTS_PER_LEASE * 1000) / leaseMs,
  };
}

export interface ReadEndpointsOptions {
  readonly plane: Pick<ControlPlane, "current">;
  readonly audit: Pick<StreamReader, "bounds" | "batch">;
  /** The last trust document that this controller received. */
  readonly trust: { readonly document: TrustDocument | undefined };
  readonly version: string;
}

/**
 * What every controller serves, whether it leads or not: `scbe.v1.control.get.<user>`, the signed control document as this controller knows
 * it; `scbe.v1.audit.read.<user>`, the audit; `scbe.v1.trust.last.<user>`, the last trust document that it received, for processes that
 * start while no scorer answers.
 */
export function readEndpoints({ plane, audit, trust, version }: ReadEndpointsOptions): ServiceDefinition {
  const common = { placesOf: "user", userRate: READ_RATE, trace: "none" } as const;
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
    description: "Reads: the control document, the audit, and the last trust document that was received",
    queue: QUEUES.controller,
    endpoints: [
      { name: "control-get", ...servedAs("controlGet"), handler: controlGet, ...common },
      { name: "audit-read", ...servedAs("auditRead"), ...streamEndpoint(audit) },
      { name: "trust-last", ...servedAs("trustLast"), handler: trustLast, ...common },
    ],
  };
}

/**
 * A verifier can know more than a store that was lost or restored. Its document is accepted for its signature alone, from any user. An
 * unsigned claim to hold a newer one is only a reason to read the store.
 */
function takeBack(user: string, { held, state }: LeaseRequest, options: EndpointsOptions): void {
  const { plane, handBacks, identity, env, clock, log, onAhead } = options;
  const known = plane.current?.state.generation ?? 0;
  // The signature of an old document is not verified: each repetition would cost the same again.
  const claim = state && claimOf(state);
  const isNews = claim !== undefined && supersedes(claim, plane.current);
  const document = isNews ? verifiedControl(claim.signed, { env, publicKey: identity.publicKey }) : undefined;
  if (document !== undefined && plane.offer(document)) {
    onAhead();
    handBacks.delivered(user);
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

function readRequest(user: string, data: Uint8Array, { handBacks, clock }: EndpointsOptions): LeaseRequest {
  const handsBack = data.length > PLAIN_BYTES_MAX;
  if (handsBack && !handBacks.admit(user, clock.monotonic()))
    throw new ScbeError("BUSY", "this user hands back too many documents; send a request without one");
  const request = readMessage(data, LeaseRequest, REQUEST_BYTES_MAX);
  if (request === undefined || (!handsBack && request.state !== undefined)) throw malformed();
  return request;
}

function malformed(): ScbeError {
  return new ScbeError("BAD_REQUEST", "this is no lease request");
}
