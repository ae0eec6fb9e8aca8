import type { ControlState } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import { collectLogs } from "@scbe/testkit";
import { decide } from "../src/canary/decide.ts";
import { CanaryIntents } from "../src/canary/intents.ts";
import type { Measure } from "../src/canary/measure.ts";
import { type Canaries, type Canary, type Intent, NO_CANARIES } from "../src/canary/record.ts";
import { CanaryRunner } from "../src/canary/runner.ts";
import { CanaryService } from "../src/canary/service.ts";
import { effectiveFlag } from "../src/canary/share.ts";
import type { CanaryStore, StoredCanaries } from "../src/canary/store.ts";
import type { Actor, Change, Changed } from "../src/ports.ts";
import { evidenceWith, stateWith } from "./canary-evidence.ts";

/** Lets others run first, or never returns. */
export type Gate = () => Promise<void>;

const EVIDENCE = {
  good: evidenceWith(),
  bad: evidenceWith({ verify_p99_ms: { value: 80 } }),
  unknown: evidenceWith({ verify_p99_ms: { value: null, samples: null } }),
};
export type Weather = keyof typeof EVIDENCE;

export const PROVIDER = "openai";

/**
 * What is stored, as all controllers share it, and every rise of the exposure checked at the moment of its writing: it is a person's, or is
 * one promotion, which was stored before, is for the very document that it changes, and happens once.
 */
export class CanaryWorld {
  now = 1_700_000_000_000;
  weather: Weather = "good";
  /** A person has stopped the canary, and none has resumed it since. */
  stopped = false;
  promotions = 0;
  state: ControlState = stateWith();
  readonly violations: string[] = [];
  #stored: StoredCanaries = { canaries: NO_CANARIES, revision: undefined };
  /** Promotions that are stored and not made yet, as `generation:share`. */
  readonly #promised = new Set<string>();

  get canary(): Canary | undefined {
    return this.#stored.canaries.canaries[PROVIDER];
  }

  get exposure(): number {
    return exposureOf(this.state);
  }

  store(gate: Gate): CanaryStore {
    return {
      read: async () => {
        await gate();
        return this.#stored;
      },
      write: async (canaries, revision) => {
        await gate();
        const written = revision === this.#stored.revision ? this.#write(canaries) : undefined;
        await gate();
        return written;
      },
    };
  }

  /** A control plane that uses compare-and-set, with any number of tries. */
  async change(change: Change, actor: Actor, gate: Gate): Promise<Changed> {
    for (;;) {
      await gate();
      const before = this.state;
      const after = change(before);
      await gate();
      if (this.state !== before) continue;
      if (after !== before) this.#set(after, actor);
      const changed = { before, after: this.state };
      await gate();
      return changed;
    }
  }

  #set(after: ControlState, actor: Actor): void {
    const before = this.state;
    this.state = { ...after, generation: before.generation + 1 };
    if (this.exposure <= exposureOf(before) || actor.by !== "canary") return;
    const promise = `${before.generation}:${effectiveFlag(after, PROVIDER).percentage}`;
    if (!this.#promised.delete(promise))
      this.violations.push(`a rise to ${promise} that no promotion stands for`);
    if (this.stopped) this.violations.push("a rise after a person has stopped the canary");
    this.promotions += 1;
  }

  #write(canaries: Canaries): StoredCanaries {
    const before = this.canary?.intent;
    this.#stored = { canaries, revision: (this.#stored.revision ?? 0) + 1 };
    const { canary } = this;
    if (canary?.intent && canary.intent !== before) this.#check(canary, canary.intent);
    return this.#stored;
  }

  #check({ history }: Canary, { kind, by, share, generation }: Intent): void {
    if (kind !== "raise" || by !== "canary") return;
    const decision = history.at(-1)?.decision;
    const again = decision && decide(decision.step, decision.evidence, decision.at);
    if (again?.verdict !== "promote" || decision?.evidence.measurements !== EVIDENCE.good.measurements)
      this.violations.push(`an intent to raise by the verdict ${again?.verdict}`);
    if (decision?.step.next_share !== share) this.violations.push("an intent to raise by more than a step");
    this.#promised.add(`${generation}:${share}`);
  }
}

/** One controller. It sees the document with a delay, and may take itself for the leader when it is not any more. */
export function controllerOf(world: CanaryWorld, gate: Gate) {
  const self = { leading: false, seen: world.state };
  const change = async (it: Change, actor: Actor): Promise<Changed> => {
    const changed = await world.change(it, actor, gate);
    if (changed.after.generation > self.seen.generation) self.seen = changed.after;
    return changed;
  };
  const plane = {
    get current() {
      return { state: self.seen, digest: "", signed: { v: 1 as const, payload: "", signature: "" } };
    },
    change,
  };
  const clock = { now: () => world.now, monotonic: () => world.now };
  const measure: Measure = async () => {
    await gate();
    return EVIDENCE[world.weather];
  };
  const isLeading = () => self.leading;
  const intents = new CanaryIntents({ plane, clock, isLeading });
  const audit = { append: () => undefined };
  const { log } = collectLogs();
  const common = { plane, store: world.store(gate), intents, audit, clock, isLeading };
  const runner = new CanaryRunner({ ...common, measure, log, onDecision: () => undefined });
  const plan = { providers: [PROVIDER], steps: [5, 25, 50, 100], holdMs: 60_000 };
  const service = new CanaryService({ ...common, ...plan });
  return {
    service,
    pass: () => runner.pass(),
    lead: (leading: boolean) => {
      self.leading = leading;
    },
    /** In place of the broadcast. */
    see: () => {
      if (world.state.generation > self.seen.generation) self.seen = world.state;
    },
  };
}
export type TestController = ReturnType<typeof controllerOf>;

export function setFlag(world: CanaryWorld, percentage: number): Change {
  const { enabled } = world.state.scbe_envelope_verification;
  const providers = { [PROVIDER]: { enabled: true, traffic_percentage: percentage } };
  return (state) => ({ ...state, scbe_envelope_verification: { enabled, providers } });
}

export const engage: Change = (state) =>
  killOf(state, PROVIDER) === undefined
    ? { ...state, kill_switch: { ...state.kill_switch, all: KILL } }
    : state;

export const release: Change = (state) =>
  killOf(state, PROVIDER) === undefined
    ? state
    : { ...state, kill_switch: { ...state.kill_switch, all: null } };

const KILL = { cause: "availability", reason: "test", by: "alert:test", since: 0 } as const;

function exposureOf(state: ControlState): number {
  if (killOf(state, PROVIDER) !== undefined) return 0;
  const { enabled, percentage } = effectiveFlag(state, PROVIDER);
  return enabled ? percentage : 0;
}
