import {
  documentEndpoint,
  type EndpointAnswer,
  type EndpointRequest,
  READ_RATE,
  type ServiceDefinition,
} from "@scbe/bus";
import { errorCode, HeldGeneration, QUEUES, servedAs, writeMessage } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { GrantRefused, type Grants } from "./grants.ts";
import type { KeyringMetrics } from "./metrics.ts";

/** Questions of one user at work at once; above it that user hears BUSY and comes back. */
const CONCURRENCY_MAX = 64;

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
 * `scbe.v1.keyring.grant.<user>.<provider>`: a signed question in JSON, a sealed and signed answer in JSON. `scbe.v1.keyring.ring.get.<user>`: the
 * states of the ring, as they are broadcast.
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
    description: "Hands out subkeys of (kid, provider, intent), sealed to the asker and signed",
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
