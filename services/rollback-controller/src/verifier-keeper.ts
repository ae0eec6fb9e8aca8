import { setTimeout as delay } from "node:timers/promises";
import type { Leading } from "@scbe/bus";
import { isScbeError } from "@scbe/contracts";
import {
  type Clock,
  type Logger,
  LogLimiter,
  type Readiness,
  ReconcileLoop,
  type TokenBucket,
  takeToken,
} from "@scbe/runtime";
import {
  FORGOTTEN_AFTER_MS,
  fitVerifiers,
  type KnownVerifiers,
  lastHeardAt,
  nameTheSame,
  ofUsers,
} from "./domain/known-verifiers.ts";
import { type Moment, monotonicOf, wallOf } from "./domain/moment.ts";
import type { VerifiersStore } from "./edge/kv-verifiers-store.ts";
import type { VerifierTable } from "./verifier-table.ts";

export interface VerifierKeeperOptions {
  readonly store: VerifiersStore;
  readonly verifiers: Pick<VerifierTable, "known" | "recall">;
  /** True for a user of the deployment that may ask for leases. */
  readonly isAsker: (user: string) => boolean;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
  /** Runs once a stored value that could not be read was replaced, with what it was replaced by. */
  readonly onMended: (into: string) => void;
}

/** Between two looks at which verifiers there are, where nothing tells that it has changed. */
const TURN_MS = 1000;
/** Writes, however often verifiers come and go. */
const WRITES = { burst: 3, perSecond: 1 };
/** How often the times are written again at which verifiers were heard. */
const REFRESH_MS = 60_000;
/** How long a controller that stops waits for its last write. */
const LAST_WRITE_MS = 500;
/** What `/readyz` calls it. The controller is no less ready without it. */
const DEPENDENCY = "verifiers heard before";

/** What the store holds, as far as this controller knows. */
interface Stored {
  readonly known: KnownVerifiers;
  readonly revision: number | undefined;
}

/**
 * Keeps in the store which verifiers the leading controller has heard, so that the next one to lead, or the same one after a restart, knows of
 * those that are silent. Neither a lease nor a kill waits for it: what was heard in the last moment, or the last second of many changes, may be missing.
 */
export class VerifierKeeper implements AsyncDisposable {
  readonly #options: VerifierKeeperOptions;
  readonly #turns: ReconcileLoop;
  readonly #following: Disposable;
  readonly #failed = new LogLimiter();
  /** undefined: it is to be read before it is written. */
  #stored: Stored | undefined;
  /** Monotonic. Of those that were heard before that time any may be missing; undefined: none is. */
  #lostAtMs: number | undefined;
  /** One more with each change of who leads. */
  #term = 0;
  #wroteAtMs = Number.NEGATIVE_INFINITY;
  #writes: TokenBucket | undefined;

  constructor(options: VerifierKeeperOptions) {
    this.#options = options;
    this.#turns = new ReconcileLoop(() => this.#turn(), TURN_MS);
    this.#following = options.leadership.onChange(() => this.#begin());
    this.#begin();
  }

  /** True when this controller knows which verifiers were heard before it led, or when they would be forgotten by now. */
  get recalls(): boolean {
    const { clock } = this.#options;
    return this.#lostAtMs === undefined || clock.monotonic() - this.#lostAtMs > FORGOTTEN_AFTER_MS;
  }

  /** Other verifiers are known than before: they are written soon, and not within the call. */
  nudge(): void {
    this.#turns.nudgeIn(0);
  }

  /** Writes what was heard last, if that takes no time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#following[Symbol.dispose]();
    await Promise.race([this.#last(), delay(LAST_WRITE_MS, undefined, { ref: false })]);
  }

  #begin(): void {
    this.#term += 1;
    this.#stored = undefined;
    this.#lostAtMs = this.#options.clock.monotonic();
    this.#show(undefined);
    this.#turns.nudge();
  }

  async #last(): Promise<void> {
    await this.#turns[Symbol.asyncDispose]();
    this.#writes = undefined;
    await this.#turn();
  }

  async #turn(): Promise<void> {
    const { leadership, log, clock } = this.#options;
    if (!leadership.leading) return;
    const term = this.#term;
    try {
      const stored = this.#stored ?? (await this.#recall(term));
      const kept = stored && (await this.#keep(stored));
      if (term !== this.#term) return;
      this.#stored = kept;
      this.#show(undefined);
    } catch (error) {
      if (term !== this.#term) return;
      this.#stored = undefined;
      this.#show(error);
      this.#failed.note(clock.monotonic(), (count) =>
        log.warn({ err: error, count }, "the verifiers that were heard can be neither read nor written now"),
      );
    }
  }

  /** Reads what the controller has heard that led before. undefined: who leads has changed meanwhile. */
  async #recall(term: number): Promise<Stored | undefined> {
    const { store, verifiers, isAsker, onMended } = this.#options;
    const { known, revision, isReadable } = await store.read();
    if (term !== this.#term) return undefined;
    const moment = this.#moment();
    verifiers.recall(ofUsers(known, isAsker), moment);
    if (isReadable) {
      this.#lostAtMs = known.lostAt === undefined ? undefined : monotonicOf(known.lostAt, moment);
      return { known, revision };
    }
    // Those that the lost value named and none before it are not known: the mended one says so, to those that lead later too.
    this.#lostAtMs = moment.nowMs;
    const mended = await this.#write(revision, moment);
    if (mended !== undefined)
      onMended(`those that were heard before, ${mended.known.heard.length} verifiers`);
    return mended;
  }

  /** Writes when other verifiers are known than are stored, or when those have been heard again for a while. undefined: it is to be read again. */
  async #keep(stored: Stored): Promise<Stored | undefined> {
    const moment = this.#moment();
    if (takeToken(this.#writes, moment.nowMs, WRITES) === undefined) return stored;
    const sinceMs = moment.nowMs - this.#wroteAtMs;
    const known = this.#known(moment);
    const isOld = sinceMs >= REFRESH_MS && lastHeardAt(known) > lastHeardAt(stored.known);
    return isOld || !nameTheSame(known, stored.known) ? this.#write(stored.revision, moment) : stored;
  }

  async #write(revision: number | undefined, moment: Moment): Promise<Stored | undefined> {
    const { store } = this.#options;
    this.#wroteAtMs = moment.nowMs;
    this.#writes = takeToken(this.#writes, moment.nowMs, WRITES) ?? this.#writes;
    const known = this.#known(moment);
    const written = await store.write(known, revision);
    return written === undefined ? undefined : { known, revision: written };
  }

  #known(moment: Moment): KnownVerifiers {
    const lostAt = this.recalls || this.#lostAtMs === undefined ? undefined : wallOf(this.#lostAtMs, moment);
    return fitVerifiers({ ...this.#options.verifiers.known(moment), lostAt }, moment.now);
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { nowMs: clock.monotonic(), now: clock.now() };
  }

  #show(failure: unknown): void {
    const { leadership, readiness } = this.#options;
    const isLost = leadership.leading && !this.recalls;
    const notes = [
      ...(failure === undefined
        ? []
        : [`${reasonOf(failure)}: the next controller to lead may not know of them`]),
      ...(isLost ? [NOT_KNOWN] : []),
    ];
    readiness.set(DEPENDENCY, { ok: true, ...(notes.length > 0 && { note: notes.join("; ") }) });
  }
}

const NOT_KNOWN = "not all are known: no kill is confirmed until they were read, or would be forgotten";

/** No defect's own words. */
function reasonOf(failure: unknown): string {
  return isScbeError(failure) ? `${failure.code}: ${failure.message}` : "INTERNAL: see the log";
}
