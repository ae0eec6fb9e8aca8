import type { Bus, Leading } from "@scbe/bus";
import {
  type ErrorCode,
  isScbeError,
  readMessage,
  ScbeError,
  subjectOf,
  TrustOverrideAnswer,
  writeMessage,
} from "@scbe/contracts";
import { type Clock, type Logger, LogLimiter, type Readiness, ReconcileLoop } from "@scbe/runtime";
import type { OverrideStore } from "../edge/kv-override-store.ts";
import type { Audit } from "../ports.ts";
import type { OverrideRecord } from "./override-record.ts";
import type { PendingOverrides, TrustOverride } from "./overrides.ts";

export interface OverrideOutboxOptions {
  readonly record: Pick<OverrideRecord, "add" | "read" | "remove">;
  readonly store: Pick<OverrideStore, "watch">;
  readonly bus: Pick<Bus, "user" | "request">;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
}

/** The age at which an override is removed, with an audit entry, if the scorer answers INTERNAL to it. */
const GIVE_UP_MS = 24 * 3_600_000;
/** Between two deliveries by the leader, while overrides wait. */
const PASS_EVERY_MS = 2000;
/** The name on `/readyz`. Waiting overrides do not make the controller less ready. */
const DEPENDENCY = "trust overrides";

/** An override whose acknowledgement a caller of this controller awaits. */
interface Awaited {
  readonly override: TrustOverride;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: ScbeError) => void;
}

/**
 * Keeps trust overrides in the controllers' store until a trust scorer has acknowledged them, and delivers them in order. The controller that
 * stored one delivers it at once; the leader delivers all that still wait. Two controllers may deliver the same override: it counts once.
 */
export class OverrideOutbox implements AsyncDisposable {
  readonly #options: OverrideOutboxOptions;
  readonly #awaited = new Set<Awaited>();
  readonly #stopping = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  readonly #loop: ReconcileLoop;
  readonly #late = new LogLimiter();
  readonly #failed = new LogLimiter();
  /** By the last value of the store; undefined: it is unreadable. */
  #waiting: number | undefined = 0;
  /** This controller has begun to lead, and has not read the pending overrides since. */
  #takesOver: boolean;

  constructor(options: OverrideOutboxOptions) {
    this.#options = options;
    const { leadership, store, readiness } = options;
    readiness.set(DEPENDENCY, { ok: true });
    this.#takesOver = leadership.leading;
    this.#loop = this.#stack.use(new ReconcileLoop(() => this.#pass(), PASS_EVERY_MS));
    this.#stack.use(store.watch((pending) => this.#onStored(pending)));
    this.#stack.use(leadership.onChange((leading) => this.#onLeading(leading)));
    this.#loop.nudge();
  }

  /** The number of pending overrides, as far as this controller knows. */
  get waiting(): number {
    return this.#waiting ?? 0;
  }

  /**
   * Resolves once all of them are stored.
   * @throws ScbeError BUSY when too many wait; NOT_READY when the store does not confirm them
   */
  keep(overrides: PendingOverrides): Promise<void> {
    return this.#options.record.add(overrides);
  }

  /**
   * Delivers stored overrides, after all that waited before, until a trust scorer has acknowledged them or `until` aborts. They stay stored
   * then.
   * @returns the highest of their numbers in the trust stream; undefined when some are not acknowledged yet
   * @throws ScbeError CONFLICT when the scorer refuses one, which is then removed
   */
  async acknowledged(overrides: PendingOverrides, until: AbortSignal): Promise<number | undefined> {
    const own = overrides.map((override) => ({ override, ...Promise.withResolvers<number>() }));
    const all = Promise.all(own.map((it) => it.promise)).then((numbers) => Math.max(...numbers));
    const { promise: timeUp, resolve } = Promise.withResolvers<undefined>();
    const onTimeUp = (): void => resolve(undefined);
    until.addEventListener("abort", onTimeUp, { once: true });
    if (until.aborted) onTimeUp();
    for (const it of own) this.#awaited.add(it);
    this.#loop.nudge();
    try {
      return await Promise.race([all, timeUp]);
    } finally {
      until.removeEventListener("abort", onTimeUp);
      for (const it of own) this.#awaited.delete(it);
    }
  }

  /** Ends the delivery that is under way; its overrides are stored. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#stack.disposeAsync();
  }

  #onStored(pending: PendingOverrides | undefined): void {
    this.#waiting = pending?.length;
    const note = noteOf(this.#waiting);
    this.#options.readiness.set(DEPENDENCY, { ok: true, ...(note !== undefined && { note }) });
  }

  #onLeading(leading: boolean): void {
    this.#takesOver = leading;
    if (leading) this.#loop.nudge();
  }

  async #pass(): Promise<void> {
    const { record, leadership, log, clock } = this.#options;
    // Copied before the record is read: if the record lacks an override of this list, another controller has delivered it.
    const awaited = [...this.#awaited];
    const isDue = leadership.leading && (this.#takesOver || this.#waiting !== 0);
    if (awaited.length === 0 && !isDue) return;
    try {
      const pending = await record.read();
      this.#takesOver = false;
      await this.#sendAgain(awaited, pending);
      await this.#deliver(pending);
    } catch (error) {
      this.#failed.note(clock.monotonic(), (count) =>
        log.warn({ err: error, count }, "trust overrides can be neither read nor removed now"),
      );
    }
  }

  /** Sends awaited overrides again that another controller has delivered: the answer has their numbers. */
  async #sendAgain(awaited: readonly Awaited[], pending: PendingOverrides): Promise<void> {
    const waiting = new Set(pending.map(({ id }) => id));
    for (const { override } of awaited) {
      if (waiting.has(override.id) || this.#stopping.signal.aborted) continue;
      this.#settle(override, await this.#send(override));
    }
  }

  /** In order. An override on which the scorer fails holds back only those of its provider; see {@link GIVE_UP_MS}. */
  async #deliver(pending: PendingOverrides): Promise<void> {
    const held = new Set<string>();
    for (const override of pending) {
      if (held.has(override.provider)) continue;
      const sent = await this.#send(override);
      if (sent.is !== "waiting") await this.#finish(override, sent);
      else if (sent.error.code !== "INTERNAL") return;
      else if (this.#options.clock.now() - override.at < GIVE_UP_MS) held.add(override.provider);
      else await this.#finish(override, { is: "refused", error: sent.error });
    }
  }

  async #finish(override: TrustOverride, sent: Sent): Promise<void> {
    const isAwaited = [...this.#awaited].some((it) => it.override.id === override.id);
    this.#settle(override, sent);
    const isRemoved = await this.#options.record.remove(override.id);
    if (!isRemoved) return;
    if (sent.is === "refused") this.#auditRefused(override, sent.error);
    else if (!isAwaited) this.#auditDelivered(override);
  }

  async #send(override: TrustOverride): Promise<Sent> {
    const { bus, clock, log } = this.#options;
    const { signal } = this.#stopping;
    const sent = await sendOverride(bus, override, signal);
    if (sent.is === "waiting" && !signal.aborted)
      this.#late.note(clock.monotonic(), (count) =>
        log.warn({ err: sent.error, count }, "trust overrides wait for a trust scorer"),
      );
    return sent;
  }

  #settle({ id }: TrustOverride, sent: Sent): void {
    for (const { override, resolve, reject } of this.#awaited) {
      if (override.id !== id) continue;
      if (sent.is === "stored") resolve(sent.seq);
      if (sent.is === "refused") reject(refusalOf(override, sent.error));
    }
  }

  /** For an override that no caller awaits here: the controller that took it may have ended before it could audit it. */
  #auditDelivered({ kind, provider, id, by, reason }: TrustOverride): void {
    const { audit, clock } = this.#options;
    audit.append({
      at: clock.now(),
      action: "trust",
      by,
      reason,
      after: { delivered: { kind, provider, id } },
    });
  }

  #auditRefused(override: TrustOverride, error: ScbeError): void {
    const { audit, clock, log } = this.#options;
    const { kind, provider, id, by } = override;
    const { code } = error;
    log.error({ code, kind, provider, id, by, err: error }, "a trust scorer has refused a trust override");
    const reason = `${refusalOf(override, error).message}; it was ordered by ${by}`;
    const after = { refused: { kind, provider, id, code } };
    audit.append({ at: clock.now(), action: "trust", by: "rollback-controller", reason, after });
  }
}

function noteOf(waiting: number | undefined): string | undefined {
  if (waiting === undefined)
    return "the list of waiting trust overrides cannot be read; the leading controller replaces it";
  return waiting === 0 ? undefined : `trust overrides that wait for a trust scorer: ${waiting}`;
}

function refusalOf({ kind, provider }: TrustOverride, { code, message }: ScbeError): ScbeError {
  const says = `the trust scorer has refused the ${kind} of ${provider} (${code}: ${message}), and it is not kept`;
  return new ScbeError("CONFLICT", says);
}

/** The result of sending an override to the trust scorers. */
type Sent =
  /** The trust stream has it, under this number. */
  | { readonly is: "stored"; readonly seq: number }
  /** No scorer will ever accept it. */
  | { readonly is: "refused"; readonly error: ScbeError }
  /** It must be sent again. */
  | { readonly is: "waiting"; readonly error: ScbeError };

/** Until the stream has it. */
const TIMEOUT_MS = 2000;
const REPEAT_AFTER_MS = 500;
const ANSWER_BYTES_MAX = 256;

/**
 * The codes of a permanent refusal. Every other failure may pass. INTERNAL is either a defect with this override, or a full stream: the outbox
 * then holds back only the overrides of that provider.
 */
const PERMANENT: ReadonlySet<ErrorCode> = new Set(["BAD_REQUEST"]);

/** Sends one override. Repeated, it counts once: its id is the message id in the stream, and the scorer remembers it. */
async function sendOverride(
  bus: Pick<Bus, "user" | "request">,
  override: TrustOverride,
  signal: AbortSignal,
): Promise<Sent> {
  const subject = subjectOf("trustWord", { user: bus.user });
  const options = { timeoutMs: TIMEOUT_MS, againAfterMs: REPEAT_AFTER_MS, signal };
  try {
    const { data } = await bus.request(subject, writeMessage(override), options);
    const answer = readMessage(data, TrustOverrideAnswer, ANSWER_BYTES_MAX);
    if (answer !== undefined) return { is: "stored", seq: answer.seq };
    throw new ScbeError("INTERNAL", "the answer of a trust scorer is no acknowledgement");
  } catch (cause) {
    const error = isScbeError(cause)
      ? cause
      : new ScbeError("INTERNAL", "an override was not sent", { cause });
    return { is: PERMANENT.has(error.code) ? "refused" : "waiting", error };
  }
}
