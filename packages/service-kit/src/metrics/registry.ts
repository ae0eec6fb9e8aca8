import { collectDefaultMetrics, Registry } from "prom-client";

export { Registry };

/** A registry for a process of its own: empty but for what prom-client says of Node itself. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
