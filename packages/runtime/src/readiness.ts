import type { Clock } from "./clock.ts";
import { systemClock } from "./clock.ts";
import { Listeners } from "./listeners.ts";

/** What a process depends on, and whether it has it. Nothing declared, or all of it there: ready. */
export interface Readiness {
  /** Adds a dependency that is not there yet. Idempotent. */
  declare(name: string): void;
  /** Says how a dependency is; declares it when it is new. */
  set(name: string, state: DependencyState): void;
  /** True while every dependency is there. */
  readonly ready: boolean;
  /** Runs whenever {@link ready} changes, after it did. */
  onChange(listener: (ready: boolean) => void): Disposable;
  /** Each dependency, its state, and since when, in the order of declaration. */
  report(): readonly DependencyReport[];
}

/**
 * `reason` is for operators: it is shown on `/readyz`, and holds no secret. `note` likewise: what they should know of a
 * dependency that is away without the process being any less ready for it.
 */
export type DependencyState =
  | { readonly ok: true; readonly note?: string }
  | { readonly ok: false; readonly reason: string };

export interface DependencyReport {
  readonly name: string;
  readonly ok: boolean;
  /** Why it is not there; absent when it is. */
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
