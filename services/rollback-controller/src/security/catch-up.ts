import { type Bus, type BusMessage, ownerStream, type StoredMessage, type StreamBounds } from "@scbe/bus";
import {
  type Environment,
  errorCode,
  NONCE_REUSE_BYTES_MAX,
  NonceReuseEvent,
  namesIn,
  readMessage,
  subjectOf,
} from "@scbe/contracts";
import { type Clock, type Logger, type Readiness, ReconcileLoop } from "@scbe/runtime";
import type { ProcessedAlerts } from "../alerts/processed-alerts.ts";
import type { ProcessedAlertsState } from "../alerts/processed-state.ts";
import { failureFields } from "../failure.ts";
import type { Audit } from "../ports.ts";

export interface CatchUpOptions {
  readonly stream: SecurityStream;
  readonly processed: Pick<ProcessedAlerts, "current" | "known" | "update">;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  /** True if the message needs no further processing; otherwise it is read again. */
  process(stored: StoredReuse): Promise<boolean>;
  /** Time between two passes; default 5,000 ms. */
  readonly everyMs?: number;
}

const EVERY_MS = 5000;
/** Messages after which the progress is stored. */
const BATCH = 200;
/**
 * If no progress is stored, as at the very first start or after the bucket was lost, events that are older than this are skipped: people have
 * handled them long ago.
 */
const FIRST_LOOK_MS = 24 * 60 * 60_000;
const NAMED_MAX = 20;
const DEPENDENCY = "security stream";

/** Reads the unprocessed messages of the security stream, one after the other. */
export class CatchUp implements AsyncDisposable {
  readonly #options: CatchUpOptions;
  readonly #loop: ReconcileLoop;
  /** What was processed here, recorded yet or not. */
  #mark: Mark | undefined;
  #stopped = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    options.readiness.set(DEPENDENCY, { ok: true, note: "not read yet" });
    this.#loop = new ReconcileLoop(() => this.#pass(), options.everyMs ?? EVERY_MS);
  }

  nudge(): void {
    this.#loop.nudge();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#loop[Symbol.asyncDispose]();
  }

  async #pass(): Promise<void> {
    const { processed, stream, log, readiness } = this.#options;
    // Before the record is known, old events could be taken for new ones. Arriving events are processed meanwhile.
    if (!processed.known) return;
    try {
      // The record is read first, so it is never ahead of the stream, except if the stream has gone back.
      const recorded = processed.current.security;
      const { created, last } = await stream.bounds();
      await this.#readTo({ created, seq: last }, recorded);
      readiness.set(DEPENDENCY, { ok: true });
    } catch (error) {
      readiness.set(DEPENDENCY, {
        ok: true,
        note: `${errorCode(error)}: missed nonce reuses cannot be read`,
      });
      log.warn(failureFields(error), "the security stream cannot be read now");
    }
  }

  async #readTo(end: Mark, recorded: ProcessedAlertsState["security"]): Promise<void> {
    const from = laterOf(markWithin(recorded, end), markWithin(this.#mark, end));
    const since = from === undefined ? this.#options.clock.now() - FIRST_LOOK_MS : 0;
    let batch: StoredReuse[] = [];
    let seq = from?.seq ?? 0;
    const store = (): void => {
      this.#mark = { created: end.created, seq };
      if (batch.length > 0) this.#store(this.#mark, recorded, batch, since);
      batch = [];
    };
    for await (const stored of this.#from(seq + 1, end.seq)) {
      if (stored.at >= since && !(await this.#options.process(stored))) break;
      seq = stored.seq;
      batch.push(stored);
      if (batch.length >= BATCH) store();
    }
    store();
  }

  async *#from(first: number, last: number): AsyncGenerator<StoredReuse> {
    for (let from = first; from <= last; ) {
      const found = await this.#options.stream.batch(from, last);
      for (const stored of found) {
        if (this.#stopped) return;
        yield stored;
        from = stored.seq + 1;
      }
      if (found.length === 0) return;
    }
  }

  /** The controller that moves the mark also audits the events. */
  #store(
    mark: Mark,
    recorded: ProcessedAlertsState["security"],
    batch: readonly StoredReuse[],
    since: number,
  ): void {
    const { processed, audit, clock, log } = this.#options;
    const at = clock.now();
    const change = (state: ProcessedAlertsState): ProcessedAlertsState => {
      const { security } = state;
      if (security?.created !== mark.created) return { ...state, security: mark };
      // An unmoved mark may be ahead of a stream that has gone back. A moved one is newer than this pass.
      const hasMoved = security.seq !== recorded?.seq;
      return hasMoved && security.seq >= mark.seq ? state : { ...state, security: mark };
    };
    void processed.update(change).then(
      (changed) => {
        if (changed)
          audit.append({ at, action: "security", by: "security event", ...describe(batch, since) });
      },
      (error: unknown) =>
        log.warn({ code: errorCode(error) }, "the progress in the security stream could not be recorded"),
    );
  }
}

/** A message of a stream, by its number and by when the stream was made. */
interface Mark {
  readonly created: string;
  readonly seq: number;
}

/** The mark, if it is valid for the stream with that end: a stream that was made anew, or restored, has another past. */
function markWithin(mark: Mark | null | undefined, end: Mark): Mark | undefined {
  return mark && mark.created === end.created && mark.seq <= end.seq ? mark : undefined;
}

function laterOf(a: Mark | undefined, b: Mark | undefined): Mark | undefined {
  return a === undefined || (b !== undefined && b.seq > a.seq) ? b : a;
}

function describe(batch: readonly StoredReuse[], since: number): { reason: string; after: unknown } {
  const old = batch.filter(({ at }) => at < since).length;
  const unreadable = batch.filter(({ event }) => event === undefined).length;
  const parts = [
    `${batch.length - old} events of the security stream were acted on`,
    ...(old > 0 ? [`${old} are older than a day, and were not`] : []),
    ...(unreadable > 0 ? [`${unreadable} are no events`] : []),
  ];
  const events = batch.slice(0, NAMED_MAX).map(({ seq, event }) => ({
    seq,
    ...(event !== undefined && { provider: event.provider, session: event.session, counter: event.counter }),
  }));
  return { reason: parts.join("; "), after: { events } };
}

/** A message of the security stream, and where and when it was stored. */
export interface StoredReuse {
  readonly seq: number;
  /** ms since the epoch, by the server's clock */
  readonly at: number;
  /** `undefined`: the message is not an event. */
  readonly event: NonceReuseEvent | undefined;
}

/** Nonce reuses that the guards report: as they arrive, and as they are stored in the guards' account. */
export interface SecurityStream {
  bounds(): Promise<StreamBounds>;
  /** The next messages from number `from` up to `last`, in order, some at a time; empty: there are no more. */
  batch(from: number, last: number): Promise<readonly StoredReuse[]>;
  /** Runs with every event that arrives. An event that is lost on the way is still stored. */
  listen(listener: (event: NonceReuseEvent) => void): AsyncDisposable;
}

/** @param providers of the deployment; a guard reports for no other */
export function securityStream(bus: Bus, env: Environment, providers: readonly string[]): SecurityStream {
  const stream = ownerStream(bus, subjectOf("securityRead", { user: bus.user }));
  const read = (message: Pick<StoredMessage | BusMessage, "subject" | "data">) => readReuse(message, env);
  return {
    bounds: () => stream.bounds(),
    batch: async (from, last) =>
      (await stream.batch(from, last)).map((message) => ({
        ...{ seq: message.seq, at: message.at },
        event: read(message),
      })),
    listen: (listener) => {
      const stack = new AsyncDisposableStack();
      for (const provider of providers) {
        const subscription = bus.subscribe(subjectOf("nonceReuse", { provider }), (message) => {
          const event = read(message);
          if (event !== undefined) listener(event);
        });
        stack.use(subscription);
      }
      return stack;
    },
  };
}

/** The event, if it is of this environment and of the provider that its subject names. */
function readReuse(
  { subject, data }: Pick<StoredMessage, "subject" | "data">,
  env: Environment,
): NonceReuseEvent | undefined {
  const event = readMessage(data, NonceReuseEvent, NONCE_REUSE_BYTES_MAX);
  return event?.env === env && event.provider === namesIn("nonceReuse", subject)?.provider
    ? event
    : undefined;
}
