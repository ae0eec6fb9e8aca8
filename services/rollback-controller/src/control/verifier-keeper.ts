import { setTimeout as delay } from "node:timers/promises";
import { type Bucket, comparedKey, type Leading, newestReadable, type StoreBus } from "@scbe/bus";
import { KV_KEYS } from "@scbe/contracts";
import {
  type Clock,
  type Logger,
  LogLimiter,
  type Readiness,
  ReconcileLoop,
  type TokenBucket,
  takeToken,
} from "@scbe/runtime";
import { failureText } from "../failure.ts";
import {
  encodeVerifiers,
  FORGOTTEN_AFTER_MS,
  fitVerifiers,
  type KnownVerifiers,
  lastHeardAt,
  type Moment,
  monotonicOf,
  NOTHING_HEARD,
  nameTheSame,
  ofUsers,
  readVerifiers,
  wallOf,
} from "./known-verifiers.ts";
import type { VerifierTable } from "./verifier-table.ts";

export interface VerifierKeeperOptions {
  readonly store: VerifiersStore;
  readonly verifiers: Pick<VerifierTable, "known" | "recall">;
  /** True for a user of the deployment that may request leases. */
  readonly isLeaseUser: (user: string) => boolean;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
  /** Runs after an unreadable stored value was replaced; `into` describes the new one. */
  readonly onMended: (into: string) => void;
}

/** Between two passes if no change is reported. */
const PASS_MS = 1000;
/** Writes, however often verifiers come and go. */
const WRITES = { burst: 3, perSecond: 1 };
/** How often the times at which verifiers were heard are written again. */
const REFRESH_MS = 60_000;
/** How long a stopping controller waits for its last write. */
const LAST_WRITE_MS = 500;
/** Its name on `/readyz`. The controller is ready without it. */
const DEPENDENCY = "verifiers heard before";
const NOT_KNOWN = "not all are known: no kill is confirmed until they were read, or would be forgotten";

/** The content of the store, as far as this controller knows. */
interface Stored {
  readonly known: KnownVerifiers;
  readonly revision: number | undefined;
}

/**
 * Keeps in the store which verifiers the leader has heard, so that the next leader, or the same one after a restart, knows which of them are
 * silent. No lease and no kill waits for it: verifiers of the last moment, or of a second with many changes, may be missing.
 */
export class VerifierKeeper implements AsyncDisposable {
  readonly #options: VerifierKeeperOptions;
  readonly #loop: ReconcileLoop;
  readonly #following: Disposable;
  readonly #failed = new LogLimiter();
  /** undefined: it has to be read before it is written. */
  #stored: Stored | undefined;
  /** Monotonic. Any verifier that was heard before this time may be missing; undefined: the list is complete. */
  #lostAtMs: number | undefined;
  /** Counts the changes of leadership. */
  #term = 0;
  #wroteAtMs = Number.NEGATIVE_INFINITY;
  #writes: TokenBucket | undefined;

  constructor(options: VerifierKeeperOptions) {
    this.#options = options;
    this.#loop = new ReconcileLoop(() => this.#pass(), PASS_MS);
    this.#following = options.leadership.onChange(() => this.#begin());
    this.#begin();
  }

  /** True if this controller knows which verifiers earlier leaders heard, or if they would be forgotten by now. */
  get recalls(): boolean {
    const { clock } = this.#options;
    return this.#lostAtMs === undefined || clock.monotonic() - this.#lostAtMs > FORGOTTEN_AFTER_MS;
  }

  /** The known verifiers have changed: they are written soon, not within the call. */
  nudge(): void {
    this.#loop.nudgeIn(0);
  }

  /** Writes the last verifiers that were heard, if the store is quick. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#following[Symbol.dispose]();
    await Promise.race([this.#last(), delay(LAST_WRITE_MS, undefined, { ref: false })]);
  }

  #begin(): void {
    this.#term += 1;
    this.#stored = undefined;
    this.#lostAtMs = this.#options.clock.monotonic();
    this.#setReadiness(undefined);
    this.#loop.nudge();
  }

  async #last(): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
    this.#writes = undefined;
    await this.#pass();
  }

  async #pass(): Promise<void> {
    const { leadership, log, clock } = this.#options;
    if (!leadership.leading) return;
    const term = this.#term;
    try {
      const stored = this.#stored ?? (await this.#recall(term));
      const kept = stored && (await this.#keep(stored));
      if (term !== this.#term) return;
      this.#stored = kept;
      this.#setReadiness(undefined);
    } catch (error) {
      if (term !== this.#term) return;
      this.#stored = undefined;
      this.#setReadiness(error);
      this.#failed.note(clock.monotonic(), (count) =>
        log.warn({ err: error, count }, "the verifiers that were heard cannot be read or written now"),
      );
    }
  }

  /** Reads the verifiers that the previous leader heard. undefined: leadership has changed meanwhile. */
  async #recall(term: number): Promise<Stored | undefined> {
    const { store, verifiers, isLeaseUser, onMended } = this.#options;
    const { known, revision, isReadable } = await store.read();
    if (term !== this.#term) return undefined;
    const moment = this.#moment();
    verifiers.recall(ofUsers(known, isLeaseUser), moment);
    if (isReadable) {
      this.#lostAtMs = known.lostAt === undefined ? undefined : monotonicOf(known.lostAt, moment);
      return { known, revision };
    }
    // Verifiers that only the lost value named are unknown. The new value says so, for later leaders too.
    this.#lostAtMs = moment.nowMs;
    const mended = await this.#write(revision, moment);
    if (mended !== undefined)
      onMended(`those that were heard before, ${mended.known.heard.length} verifiers`);
    return mended;
  }

  /** Writes if the known verifiers differ from the stored ones, or if the stored times are old. undefined: it has to be read again. */
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

  #setReadiness(failure: unknown): void {
    const { leadership, readiness } = this.#options;
    const isLost = leadership.leading && !this.recalls;
    const notes = [
      ...(failure === undefined
        ? []
        : [`${failureText(failure)}: the next controller to lead may not know of them`]),
      ...(isLost ? [NOT_KNOWN] : []),
    ];
    readiness.set(DEPENDENCY, { ok: true, ...(notes.length > 0 && { note: notes.join("; ") }) });
  }
}

/** Where the leader keeps the verifiers that it has heard for the next one. */
export interface VerifiersStore {
  /** @throws ScbeError what the bus throws */
  read(): Promise<StoredVerifiers>;
  /** The new revision; undefined if the store is no longer at `revision` (undefined: empty). */
  write(known: KnownVerifiers, revision: number | undefined): Promise<number | undefined>;
}

export interface StoredVerifiers {
  readonly known: KnownVerifiers;
  readonly revision: number | undefined;
  /** False: the stored value is unreadable, and `known` is the newest earlier value that is readable; empty if there is none. */
  readonly isReadable: boolean;
}

/** The recently heard verifiers, under one key of the control bucket. */
export function kvVerifiersStore(
  store: Pick<StoreBus, "onReconnect">,
  bucket: Bucket,
): VerifiersStore & Disposable {
  const key = comparedKey(store, bucket, KV_KEYS.verifiers);
  const former = () => newestReadable(bucket, KV_KEYS.verifiers, readVerifiers);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return { known: NOTHING_HEARD, revision: undefined, isReadable: true };
      const known = readVerifiers(entry.value);
      const isReadable = known !== undefined;
      return { known: known ?? (await former()) ?? NOTHING_HEARD, revision: entry.revision, isReadable };
    },
    write: (known, revision) => key.write(encodeVerifiers(known), revision),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}
