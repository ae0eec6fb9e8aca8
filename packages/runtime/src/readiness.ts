import type { Clock } from "./clock.ts";
import { systemClock } from "./clock.ts";
import { Listeners } from "./listeners.ts";

/** The dependencies of a process and their states. The process is ready while all declared dependencies are available. */
export interface Readiness {
  /** Adds a dependency as unavailable. Idempotent. */
  declare(name: string): void;
  /** Sets the state of a dependency; declares a new one. */
  set(name: string, state: DependencyState): void;
  /** True while every dependency is available. */
  readonly ready: boolean;
  /** Runs after each change of {@link ready}. */
  onChange(listener: (ready: boolean) => void): Disposable;
  /** Each dependency, its state, and the time of the last change, in the order of declaration. */
  report(): readonly DependencyReport[];
}

/**
 * `reason` is for operators: `/readyz` shows it, so it holds no secret. `note` likewise, for a problem that does not make the process less
 * ready.
 */
export type DependencyState =
  | { readonly ok: true; readonly note?: string }
  | { readonly ok: false; readonly reason: string };

export interface DependencyReport {
  readonly name: string;
  readonly ok: boolean;
  /** Why it is unavailable; absent if it is available. */
  readonly reason?: string;
  readonly note?: string;
  /** Milliseconds since the Unix epoch at which `ok` last changed. */
  readonly since: number;
}

/** An empty {@link Readiness}. */
export function createReadiness(clock: Clock = systemClock): Readiness {
  const dependencies = new Map<string, { state: DependencyState; since: number }>();
  const listeners = new Listeners<[ready: boolean]>();
  let ready = true;

  const put = (name: string, state: DependencyState): void => {
    const before = dependencies.get(name);
    const since = before?.state.ok === state.ok ? before.since : clock.now();
    dependencies.set(name, { state, since });
    const now = [...dependencies.values()].every((dependency) => dependency.state.ok);
    if (now === ready) return;
    ready = now;
    listeners.notify(now);
  };

  return {
    declare(name) {
      if (!dependencies.has(name)) put(name, { ok: false, reason: "not yet known" });
    },
    set: put,
    get ready() {
      return ready;
    },
    onChange: (listener) => listeners.add(listener),
    report: () => [...dependencies].map(([name, { state, since }]) => ({ name, ...state, since })),
  };
}
