import type { ApiPorts } from "./api-ports.ts";

/** Nothing that is scraped is newer for being asked more often. */
const FRESH_MS = 1000;

/** Whoever asks at about the same time gets one answer: an open route must not let anybody keep Prometheus busy. */
export function sharedAnswer<T>(load: (ports: ApiPorts) => Promise<T>): (ports: ApiPorts) => Promise<T> {
  const held = new WeakMap<ApiPorts, { readonly at: number; readonly answer: Promise<T> }>();
  return (ports) => {
    const now = ports.clock.monotonic();
    const found = held.get(ports);
    if (found !== undefined && now - found.at < FRESH_MS) return found.answer;
    const answer = load(ports);
    held.set(ports, { at: now, answer });
    return answer;
  };
}
