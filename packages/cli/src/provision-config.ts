import { environmentVariables, transportVariables } from "@scbe/bus";
import { defineConfig, integer } from "@scbe/runtime";

/** Every variable of `scripts/provision.ts`. */
export const provisionConfig = defineConfig({
  SCBE_ENVIRONMENT: environmentVariables.SCBE_ENVIRONMENT,
  NATS_URL: transportVariables.NATS_URL,
  NATS_TLS_CA: transportVariables.NATS_TLS_CA,
  NATS_TLS_CERT: transportVariables.NATS_TLS_CERT,
  NATS_TLS_KEY: transportVariables.NATS_TLS_KEY,
  SCBE_JETSTREAM_REPLICAS: integer({
    default: 1,
    min: 1,
    max: 5,
    unit: "copies",
    doc: "Copies of every bucket and stream in a cluster of NATS servers: 3 or 5; 1 on a single server.",
    check: (replicas) =>
      replicas % 2 === 0 ? `${replicas} is even, which survives no more than one less` : undefined,
  }),
});
