import {
  documentEndpoint,
  type EndpointAnswer,
  type EndpointRequest,
  READ_RATE,
  type ServiceDefinition,
} from "@scbe/bus";
import {
  type ErrorCode,
  errorCode,
  type GrantAnswer,
  HeldGeneration,
  QUEUES,
  ScbeError,
  servedAs,
  writeMessage,
} from "@scbe/contracts";
import { deriveGrantMaterial } from "@scbe/envelope";
import { answerGrant, type Identity } from "@scbe/envelope/grant";
import { type Clock, type Logger, type Rate, type TokenBucket, takeToken } from "@scbe/runtime";
import { type GrantSubject, judgeGrantRequest, type Served } from "./domain/judge-grant-request.ts";
import type { KeyringMetrics } from "./metrics.ts";
import type { RingKeeper } from "./ring-keeper.ts";

/** Requests of one user at work at once; above it the user gets BUSY and tries again. */
const CONCURRENCY_MAX = 64;

/** Of each user: a process that starts requests every (openable kid, provider, intent) of its own at once. */
export const GRANT_RATE: Rate = { burst: 2048, perSecond: 200 };

export interface EndpointsOptions {
  readonly grants: Grants;
  /** The signed states of the ring; undefined before there is one. */
  readonly ring: () => { readonly generation: number; readonly data: Uint8Array } | undefined;
  readonly metrics: KeyringMetrics;
  /** Runs after each grant. */
  readonly onGrant: () => void;
  readonly log: Logger;
  readonly version: string;
}

/**
 * `scbe.v1.keyring.grant.<user>.<provider>`: a signed grant request in, a sealed and signed grant out.
 * `scbe.v1.keyring.ring.get.<user>`: the states of the ring, as they are broadcast.
 */
export function keyringEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { grants, ring, metrics, onGrant, log, version } = options;
  const grant = async ({ data, user, provider }: EndpointRequest): Promise<EndpointAnswer> => {
    try {
      const answer = await grants.answer(data, { user, provider });
      metrics.granted();
      onGrant();
      return { data: writeMessage(answer) };
    } catch (error) {
      metrics.refused(errorCode(error));
      if (error instanceof GrantRefused) log.debug({ user, provider, why: error.reason }, "refused a grant");
      throw error;
    }
  };
  const ringGet = documentEndpoint(HeldGeneration, ({ generation }) => {
    const signed = ring();
    return signed?.generation === generation ? "same" : signed?.data;
  });
  return {
    name: "keyring",
    version,
    description: "Grants subkeys of (kid, provider, intent), sealed to the requester and signed",
    queue: QUEUES.keyring,
    endpoints: [
      {
        name: "ring-get",
        ...servedAs("ringGet"),
        handler: ringGet,
        placesOf: "user",
        userRate: READ_RATE,
        trace: "none",
      },
      { name: "grant", ...servedAs("grant"), handler: grant, concurrency: CONCURRENCY_MAX, placesOf: "user" },
    ],
  };
}

export interface GrantsOptions {
  readonly keeper: RingKeeper;
  readonly served: Served;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly decryptOnlyMaxMs: number;
}

/** A refused request. `reason` is for the operator; the requester gets the code and one text for all reasons. */
export class GrantRefused extends ScbeError {
  readonly reason: string;

  constructor(code: ErrorCode, reason: string) {
    super(code, "no grant");
    this.reason = reason;
  }
}

/** Answers grant requests. Subkeys are derived only after the user and its signature have been checked, and are not kept. */
export class Grants {
  readonly #options: GrantsOptions;
  /** One for each user that has sent a request: bounded by the list of users. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /**
   * @param data a `GrantRequest` as JSON
   * @param subject the names in the subject of the request
   * @throws GrantRefused
   */
  async answer(data: Uint8Array, subject: GrantSubject): Promise<GrantAnswer> {
    const { keeper, served, identity, clock, decryptOnlyMaxMs } = this.#options;
    const judged = judgeGrantRequest(data, subject, {
      ...{ served, ring: keeper.ring, nowMs: clock.now(), decryptOnlyMaxMs },
      count: (asker) => this.#count(asker),
    });
    if (!judged.ok) throw new GrantRefused(judged.code, judged.reason);
    const { verified, meta } = judged;
    const ikm = keeper.ikm(meta.kid);
    if (ikm === undefined) throw new GrantRefused("NOT_READY", "a key that is not loaded");
    const material = deriveGrantMaterial(ikm, verified.question);
    return answerGrant(verified, { material, meta }, identity);
  }

  #count(asker: string): boolean {
    const bucket = takeToken(this.#buckets.get(asker), this.#options.clock.monotonic(), GRANT_RATE);
    if (bucket !== undefined) this.#buckets.set(asker, bucket);
    return bucket !== undefined;
  }
}
