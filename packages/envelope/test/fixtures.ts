import type { AdmitItem, AdmitVerdict, Environment } from "@scbe/contracts";
import {
  type Admission,
  type Clock,
  importSubkeys,
  Opener,
  type OpenerLimits,
  type OpeningKeys,
  type OpeningObserver,
  type Phase,
  type Refusal,
  type RequestOpening,
  Sealer,
  type SealerLimits,
  type SealingKeys,
  type Serves,
  type Subkeys,
  type TagCheck,
} from "../src/index.ts";
import {
  CONTEXT,
  type Context,
  EPOCH,
  IKM,
  KID,
  NOW_MS,
  SKEW_SECONDS,
  subkey,
  WINDOW_SECONDS,
} from "./craft.ts";

/** A clock that a test sets. */
export class TestClock implements Clock {
  nowMs = NOW_MS;
  monotonicMs = 50_000;

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.monotonicMs;
  }

  /** Advances both clocks. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.monotonicMs += ms;
  }
}

export function subkeysOf(options: { context?: Context; kid?: string; ikm?: Buffer } = {}): Subkeys {
  const { context = CONTEXT, kid = KID, ikm = IKM } = options;
  const material = Buffer.concat([subkey("k_enc", context, ikm), subkey("k_nonce", context, ikm)]);
  return importSubkeys({ ...context, kid }, material);
}

/** Keys that are held until they are withdrawn; the first of a provider and intent is the active one. */
export class TestKeys implements SealingKeys, OpeningKeys {
  held: Subkeys[];

  constructor(...held: Subkeys[]) {
    this.held = held;
  }

  active(provider: string, intent: string): Subkeys | undefined {
    return this.held.find((keys) => keys.provider === provider && keys.intent === intent);
  }

  find(kid: string, provider: string, intent: string): Subkeys | undefined {
    return this.held.find((keys) => keys.kid === kid && keys.provider === provider && keys.intent === intent);
  }
}

/** Records the reports of an opener, in order. */
export class Observed implements OpeningObserver {
  readonly events: string[] = [];
  readonly reasons: Refusal[] = [];
  readonly tags: TagCheck[] = [];
  readonly verifiedFacts: { phase: Phase; provider: string; ms: number; skewMs: number }[] = [];

  tagChecked(check: TagCheck): void {
    this.tags.push(check);
  }

  verified(facts: { phase: Phase; provider: string; ms: number; skewMs: number }): void {
    this.events.push("verified");
    this.verifiedFacts.push(facts);
  }

  released(): void {
    this.events.push("released");
  }

  refused({ reason }: { reason: Refusal }): void {
    this.events.push("refused");
    this.reasons.push(reason);
  }
}

/** Returns the verdict that a test sets; records its requests. */
export class TestGuard implements Admission {
  readonly asked: AdmitItem[] = [];
  readonly #decide: (item: AdmitItem) => AdmitVerdict | Promise<AdmitVerdict>;

  constructor(decide: (item: AdmitItem) => AdmitVerdict | Promise<AdmitVerdict> = () => "fresh") {
    this.#decide = decide;
  }

  async admit(item: AdmitItem): Promise<AdmitVerdict> {
    this.asked.push(item);
    return this.#decide(item);
  }
}

export const SERVES: Serves = { providers: ["openai"], intents: ["chat"] };
export const FLOOR_MS = 700;
export const GUARD_WAIT_MS = 600;

export interface OpenerOptions extends Partial<OpenerLimits> {
  readonly clock?: TestClock;
  readonly keys?: TestKeys;
  readonly guard?: TestGuard;
  readonly env?: Environment;
  readonly serves?: Serves;
}

/** An opener and its ports. */
export function newOpener(options: OpenerOptions = {}) {
  const { clock = new TestClock(), keys = new TestKeys(subkeysOf()), guard = new TestGuard() } = options;
  const { env = "dev", serves = SERVES, ...changes } = options;
  const observed = new Observed();
  const limits = {
    windowSeconds: WINDOW_SECONDS,
    skewSeconds: SKEW_SECONDS,
    noiseFloorMs: FLOOR_MS,
    guardWaitMs: GUARD_WAIT_MS,
  };
  const opener = new Opener(
    { keys, admission: guard, clock, env, serves, observer: observed },
    { ...limits, ...changes },
  );
  return { opener, clock, keys, guard, observed };
}

/** Opens requests that arrive together. */
export async function openAll(
  { opener, clock }: { opener: Opener; clock: TestClock },
  envelopes: readonly Uint8Array[],
  provider = "openai",
): Promise<RequestOpening[]> {
  const arrivedAt = clock.monotonic();
  return Promise.all(envelopes.map((bytes) => opener.openRequest(bytes, { provider, arrivedAt })));
}

export async function openOne(
  parts: { opener: Opener; clock: TestClock },
  envelope: Uint8Array,
  provider = "openai",
): Promise<RequestOpening> {
  const [opening] = await openAll(parts, [envelope], provider);
  if (opening === undefined) throw new Error("nothing was opened");
  return opening;
}

export function newSealer(
  options: Partial<SealerLimits> & {
    clock?: TestClock;
    keys?: TestKeys;
    epoch?: () => Uint8Array | undefined;
  } = {},
) {
  const {
    clock = new TestClock(),
    keys = new TestKeys(subkeysOf()),
    epoch = () => EPOCH,
    ...changes
  } = options;
  const limits = { windowSeconds: WINDOW_SECONDS, counterLimit: 2 ** 32 - 1 };
  const sealer = new Sealer({ keys, epochs: { current: epoch }, clock }, { ...limits, ...changes });
  return { sealer, clock, keys };
}
