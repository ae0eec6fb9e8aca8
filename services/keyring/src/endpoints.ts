import { isScbeError, QUEUES, SUBJECTS } from "@scbe/contracts";
import type { EndpointAnswer, EndpointRequest, Logger, ServiceDefinition } from "@scbe/service-kit";
import { GrantRefused, type Grants } from "./grants.ts";
import type { KeyringMetrics } from "./metrics.ts";

/** Questions at work at once; above it askers hear BUSY and come back. */
const CONCURRENCY_MAX = 256;

export interface EndpointsOptions {
  readonly grants: Grants;
  readonly metrics: KeyringMetrics;
  /** Runs after each grant. */
  readonly onGrant: () => void;
  readonly log: Logger;
  readonly version: string;
}

/** `scbe.v1.keyring.grant.<provider>`: a signed question in JSON, a sealed and signed answer in JSON. */
export function keyringEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { grants, metrics, onGrant, log, version } = options;
  const grant = async ({ data, provider }: EndpointRequest): Promise<EndpointAnswer> => {
    try {
      const answer = await grants.answer(data, provider);
      metrics.granted();
      onGrant();
      return { data: Buffer.from(JSON.stringify(answer)) };
    } catch (error) {
      metrics.refused(isScbeError(error) ? error.code : "INTERNAL");
      if (error instanceof GrantRefused) log.debug({ provider, why: error.reason }, "refused a grant");
      throw error;
    }
  };
  return {
    name: "keyring",
    version,
    description: "Hands out subkeys of (kid, provider, intent), sealed to the asker and signed",
    queue: QUEUES.keyring,
    endpoints: [
      { name: "grant", subject: `${SUBJECTS.grant}.*`, handler: grant, concurrency: CONCURRENCY_MAX },
    ],
  };
}
