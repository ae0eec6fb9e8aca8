import { errorCode } from "@scbe/contracts";
import type { Clock, Logger, Readiness } from "@scbe/runtime";
import type { ProcessedAlerts } from "../alerts/processed-alerts.ts";
import type { ProcessedAlertsState } from "../domain/processed-alerts-state.ts";
import type { SecurityStream, StoredReuse } from "../edge/security-stream.ts";
import type { Audit } from "../ports.ts";

export interface CatchUpOptions {
  readonly stream: SecurityStream;
  readonly acted: Pick<ProcessedAlerts, "current" | "known" | "update">;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  /** True when the message was dealt with; else it is read again. */
  act(stored: StoredReuse): Promise<boolean>;
  /** How often to look; 5,000 ms unless told. */
  readonly everyMs?: number;
}

const EVERY_MS = 5000;
/** Messages after which what was handled is stored. */
const BATCH = 200;
/**
 * Where nothing says what was handled before, as at the very first start or after the bucket was lost, older events are left to people:
 * somebody has dealt with them long ago.
 */
const FIRST_LOOK_MS = 24 * 60 * 60_000;
const NAMED_MAX = 20;
const DEPENDENCY = "security stream";

/** Reads from the security stream what was not handled yet, one message after the other, never two readings at once. */
export class CatchUp implements AsyncDisposable {
  readonly #options: CatchUpOptions;
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | undefined;
  /** What was handled here, be it recorded yet or not. */
  #mark: Mark | undefined;
  #again = false;
  #stopped = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    options.readiness.set(DEPENDENCY, { ok: true, note: "not read yet" });
    this.#timer = setInterval(() => this.nudge(), options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  nudge(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#reading ??= this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#reading;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#read();
    }
    // Here and not by a later callback: a nudge in between would wait for a run that has ended.
    this.#reading = undefined;
  }

  async #read(): Promise<void> {
    const { acted, stream, log, readiness } = this.#options;
    // Until the record is known, the past could be taken for news; what arrives is acted on nevertheless.
    if (!acted.known) return;
    try {
      // The record first: it is never ahead of what the stream then has, but in a stream that has gone back.
      const recorded = acted.current.security;
      const { created, last } = await stream.bounds();
      await this.#readTo({ created, seq: last }, recorded);
      readiness.set(DEPENDENCY, { ok: true });
    } catch (error) {
      const code = errorCode(error);
      readiness.set(DEPENDENCY, { ok: true, note: `${code}: missed nonce reuses cannot be read` });
      log.warn(
        { code, ...(code === "INTERNAL" && { err: error }) },
        "the security stream cannot be read now",
      );
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
      if (stored.at >= since && !(await this.#options.act(stored))) break;
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

  /** Whichever controller moves the mark has the events audited. */
  #store(
    mark: Mark,
    recorded: ProcessedAlertsState["security"],
    batch: readonly StoredReuse[],
    since: number,
  ): void {
    const { acted, audit, clock, log } = this.#options;
    const at = clock.now();
    const change = (state: ProcessedAlertsState): ProcessedAlertsState => {
      const { security } = state;
      if (security?.created !== mark.created) return { ...state, security: mark };
      // As it was found, it may be ahead of a stream that has gone back; moved since then, it is news.
      const isNews = security.seq !== recorded?.seq;
      return isNews && security.seq >= mark.seq ? state : { ...state, security: mark };
    };
    void acted.update(change).then(
      (changed) => {
        if (changed)
          audit.append({ at, action: "security", by: "security event", ...describe(batch, since) });
      },
      (error: unknown) => {
        const code = errorCode(error);
        log.warn({ code }, "how far the security stream was handled could not be recorded");
      },
    );
  }
}

/** A message of a stream, by its number and by when the stream was made. */
interface Mark {
  readonly created: string;
  readonly seq: number;
}

/** A mark that says something of the stream that ends there: a stream that was made anew, or restored, has another past. */
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
