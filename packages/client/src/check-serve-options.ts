import { ScbeError } from "@scbe/contracts";
import type { ServeOptions } from "./gateway-options.ts";

/** What a client may serve. */
interface Own {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
}

const CONCURRENCY_MAX = 65_536;
/** The longest that a timer of Node can run. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** @throws ScbeError BAD_REQUEST naming everything that is wrong with them */
export function checkServeOptions(options: ServeOptions, own: Own): void {
  const { provider, intents = own.intents, handler, concurrency = 1, drainMs = 0 } = options;
  const problems = [
    ...foreign([provider], own.providers, "provider"),
    ...foreign(intents, own.intents, "intent"),
    ...(intents.length === 0 ? ["no intent is given"] : []),
    ...(typeof handler === "function" ? [] : ["handler is no function"]),
    ...(isWhole(concurrency, 1, CONCURRENCY_MAX) ? [] : [`concurrency must be 1 to ${CONCURRENCY_MAX}`]),
    ...(isWhole(drainMs, 0, TIMER_MS_MAX) ? [] : [`drainMs must be 0 to ${TIMER_MS_MAX}, in whole ms`]),
  ];
  if (problems.length > 0) throw new ScbeError("BAD_REQUEST", `cannot serve: ${problems.join("; ")}`);
}

function foreign(names: readonly string[], own: readonly string[], kind: string): string[] {
  return names
    .filter((name) => !own.includes(name))
    .map((name) => `the ${kind} ${name} is none of this client's`);
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
