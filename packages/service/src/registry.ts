import { collectDefaultMetrics, Registry } from "prom-client";

/** A registry for a service's process: empty but for what prom-client says of Node itself. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
