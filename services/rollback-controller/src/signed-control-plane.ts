import { setTimeout as delay } from "node:timers/promises";
import {
  ACTOR_MAX,
  type ControlAction,
  type ControlState,
  type Environment,
  isScbeError,
  MODE_OF_CAUSE,
  REASON_MAX,
  ScbeError,
} from "@scbe/contracts";
import { type ControlDocument, signControl } from "@scbe/envelope/control";
import { backoffMs, type Clock, type Identity, type Logger } from "@scbe/service-kit";
import { actionOf } from "./action-of.ts";
import { engageKill } from "./domain/engage-kill.ts";
import { firstState } from "./domain/first-state.ts";
import { type Issuing, KILL_AHEAD_MS, nextDocument } from "./domain/next-document.ts";
import { basisOf, type Standing, settle } from "./domain/settle.ts";
import { HeldDocument } from "./held-document.ts";
import { PendingKills } from "./pending-kills.ts";
import type { Actor, Audit, Change, Changed, ControlStore, KillOrder } from "./ports.ts";

export interface SignedControlPlaneOptions {
  readonly store: ControlStore;
  /** Signs documents: the controllers' own key. */
  readonly identity: Identity;
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Environment;
  readonly providers: readonly string[];
  readonly audit: Pick<Audit, "append">;
  /** Broadcasts a document. @throws ScbeError DISCONNECTED */
  send(document: ControlDocument): void;
  /** Something is to be stored: a turn is due. */
  onUnsettled(): void;
  /** True where it also broadcasts what somebody else has stored, who may have ended before they did so. */
  isRelay?(): boolean;
  /** After each change that was made here. */
  onChanged?(action: ControlAction): void;
  /** Waits before the next try of a write that somebody else was quicker than. */
  pause?(tries: number): Promise<void>;
}

/** Tries of one write; each but the last lost to somebody else's. */
const TRIES_MAX = 32;
const PAUSE = { firstMs: 5, maxMs: 250 };
/** Changes that wait for the one at work. */
const WAITING_MAX = 256;
/** How long the kill of one provider waits for a document to stand in. */
const UNTIL_HELD_MS = 2000;
/** How long a change waits for a document that a verifier claims to hold: it comes with the verifier's next question, and may be a kill. */
const UNTIL_HANDED_BACK_MS = 2000;

/**
 * The control document of one environment, as one of its controllers holds and changes it. A change is stored by compare-and-set
 * and then broadcast; a kill is broadcast and then stored, on top of whatever was stored meanwhile. Any number of controllers do so
 * side by side; each {@link turn} brings the store and what is held together.
 */
export class SignedControlPlane {
  readonly #options: SignedControlPlaneOptions;
  readonly #first: ControlState;
  readonly #held: HeldDocument;
  readonly #pending = new PendingKills();
  /** What the store had when it was last read or written. */
  #stored: ControlDocument | undefined;
  #acknowledged = 0;
  #waiting = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: SignedControlPlaneOptions) {
    this.#options = options;
    this.#first = firstState(options.env, options.providers);
    this.#held = new HeldDocument((document) => options.send(document));
  }

  /** What is in force; undefined until the store was read, or another controller heard. */
  get current(): ControlDocument | undefined {
    return this.#held.document;
  }

  /** Kills that were ordered here, and are not stored yet. */
  get unstoredKills(): number {
    return this.#pending.size;
  }

  /** A generation above the one in force that a verifier claims to hold; what is issued next is above it. */
  get acknowledgedAbove(): number | undefined {
    return this.#acknowledged > this.#held.generation ? this.#acknowledged : undefined;
  }

  onChange(listener: (document: ControlDocument) => void): Disposable {
    return this.#held.onChange(listener);
  }

  /** Takes a document that this controller's key has signed, wherever it comes from; true when it is news. */
  offer(document: ControlDocument): boolean {
    if (!this.#held.take(document)) return false;
    // Somebody may have changed something without having heard of a kill from here.
    this.#engage();
    return true;
  }

  /** A verifier claims to hold that generation, and does not show the document. */
  acknowledged(generation: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, generation);
  }

  /** Broadcasts what is in force; silent while the connection is down. */
  resend(): void {
    this.#held.send();
  }

  /** @see ControlPlane.change */
  async change(change: Change, actor: Actor): Promise<Changed> {
    if (this.#waiting >= WAITING_MAX) throw new ScbeError("BUSY", `${WAITING_MAX} changes wait already`);
    this.#waiting += 1;
    try {
      const { acknowledgedAbove } = this;
      if (acknowledgedAbove !== undefined) await this.#held.within(UNTIL_HANDED_BACK_MS, acknowledgedAbove);
      return await this.#alone(() => this.#change(change, actor));
    } finally {
      this.#waiting -= 1;
    }
  }

  /**
   * @see ControlPlane.kill
   * @throws ScbeError BAD_REQUEST for a provider that is not served; NOT_READY, DISCONNECTED: it is not sent yet, and will be
   */
  async kill({ provider, cause }: KillOrder, { by, reason }: Actor): Promise<Changed> {
    const { providers, clock, onUnsettled } = this.#options;
    if (provider !== undefined && !providers.includes(provider))
      throw new ScbeError("BAD_REQUEST", `the provider ${JSON.stringify(provider)} is not served`);
    const kill = {
      mode: MODE_OF_CAUSE[cause],
      cause,
      reason: oneLine(reason, REASON_MAX),
      by: oneLine(by, ACTOR_MAX),
      since: Math.floor(clock.now()),
    };
    this.#pending.add({ ...(provider !== undefined && { provider }), kill });
    onUnsettled();
    // Flags that nobody has read would go out with it. When everything is killed, no flag matters.
    if (provider !== undefined && (await this.#held.within(UNTIL_HELD_MS)) === undefined) {
      throw new ScbeError("NOT_READY", "no control document is known yet; the kill is sent once one is");
    }
    const before = this.#held.document?.state ?? this.#first;
    if (this.#engage() === undefined && this.#held.isUnsent) this.resend();
    if (this.#held.isUnsent)
      throw new ScbeError("DISCONNECTED", "the kill is sent as soon as the connection to NATS is back");
    return { before, after: this.#held.document?.state ?? before };
  }

  /**
   * Reads the store, takes what is newer there, and writes what is missing there.
   * @throws UnusableRecord; what the store throws
   */
  async turn(): Promise<void> {
    await this.#alone(() => this.#write((standing) => this.#settlement(standing)));
  }

  /** Sends a document with all pending kills in it; undefined where they stand in what is held. */
  #engage(): ControlDocument | undefined {
    const held = this.#held.document;
    const before = held?.state ?? this.#first;
    const missing = this.#pending.list().filter((kill) => engageKill(before, kill) !== before);
    const [first] = missing;
    if (first === undefined) return undefined;
    const isStored = held !== undefined && held.digest === this.#stored?.digest;
    const after = isStored ? before.generation : (held?.state.after ?? 0);
    const state = missing.reduce(engageKill, before);
    const document = this.#sign(state, { previous: 0, after, aheadMs: KILL_AHEAD_MS });
    this.#held.take(document);
    this.#held.send();
    this.#options.onUnsettled();
    this.#tell({ before, after: document.state }, first.kill);
    return document;
  }

  async #change(change: Change, actor: Actor): Promise<Changed> {
    let changed: Changed | undefined;
    try {
      await this.#write((standing) => {
        const basis = basisOf(standing);
        const after = applied(change, basis.state);
        const document = after === basis.state ? undefined : this.#sign(after, basis);
        changed = { before: basis.state, after: document?.state ?? after };
        return document;
      });
    } catch (error) {
      this.#options.onUnsettled();
      throw error instanceof ChangeRefused ? error.cause : asNotStored(error);
    }
    if (changed === undefined) throw new ScbeError("INTERNAL", "a change was neither made nor refused");
    if (changed.after !== changed.before) this.#tell(changed, actor);
    return changed;
  }

  /** What the store must have next; undefined: it has all there is. */
  #settlement(standing: Standing): ControlDocument | undefined {
    const step = settle(standing);
    if (step.do === "nothing") return undefined;
    const [now, known] = [standing.stored?.state.generation ?? 0, this.#stored?.state.generation ?? 0];
    if (now < known)
      this.#options.log.error(
        { stored: now, known },
        "the store has gone back; writing again what is in force",
      );
    return step.do === "keep" ? step.document : this.#sign(step.basis.state, step.basis);
  }

  /** Reads and writes until a write is through, or there is none to make. */
  async #write(next: (standing: Standing) => ControlDocument | undefined): Promise<void> {
    const { store, isRelay, pause = pauseMs } = this.#options;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      const stored = await store.read();
      if (stored !== undefined && this.offer(stored.document) && isRelay?.() === true) this.resend();
      const pending = this.#pending.list();
      const held = this.#held.document;
      const document = next({ stored: stored?.document, held, pending, first: this.#first });
      if (document === undefined) {
        this.#found(stored?.document);
        return;
      }
      if ((await store.write(document, stored?.revision)) !== undefined) {
        this.#pending.settled(pending);
        this.#wrote(document);
        return;
      }
      await pause(tries);
    }
    throw new ScbeError("NOT_READY", `others wrote first, ${TRIES_MAX} times; try again`);
  }

  #found(stored: ControlDocument | undefined): void {
    if (stored === undefined) return;
    this.#stored = stored;
    this.#pending.settledBy(stored.state);
  }

  #wrote(document: ControlDocument): void {
    this.#stored = document;
    if (this.#held.take(document)) this.resend();
    // A kill was sent meanwhile: it stands above this one, and is to be stored on top of it.
    else if (this.#held.document?.digest !== document.digest) this.#options.onUnsettled();
  }

  #sign(content: ControlState, issuing: Omit<Issuing, "nowMs">): ControlDocument {
    const { identity, clock } = this.#options;
    // Nobody has decided the first state: whoever remembers another one keeps that.
    if (content === this.#first) return signControl(content, identity);
    const previous = Math.max(issuing.previous, this.#held.generation, this.#acknowledged);
    return signControl(nextDocument(content, { ...issuing, previous, nowMs: clock.now() }), identity);
  }

  #tell({ before, after }: Changed, { by, reason }: Actor): void {
    const { audit, log, clock, onChanged } = this.#options;
    const action = actionOf(before, after, by);
    log.warn({ action, by, reason, generation: after.generation }, "the control document was changed");
    audit.append({ at: clock.now(), action, by, reason, before, after });
    onChanged?.(action);
  }

  /** One after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#work.then(work);
    this.#work = turn.catch(() => undefined);
    return turn;
  }
}

/** What a change itself throws is told as it is. */
class ChangeRefused extends Error {
  constructor(cause: unknown) {
    super("the change does not apply", { cause });
  }
}

function applied(change: Change, state: ControlState): ControlState {
  try {
    return change(state);
  } catch (cause) {
    throw new ChangeRefused(cause);
  }
}

function pauseMs(tries: number): Promise<void> {
  return delay(backoffMs(tries, Math.random(), PAUSE));
}

/** Whether it was stored nevertheless is not known: a write that timed out may be carried out later. */
function asNotStored(cause: unknown): unknown {
  if (!isScbeError(cause) || cause.code === "DISCONNECTED" || cause.code === "BAD_REQUEST") return cause;
  return new ScbeError("NOT_READY", `the control document could not be stored: ${cause.message}`, { cause });
}

function oneLine(text: string, charactersMax: number): string {
  return text.replace(/\p{Cc}+/gu, " ").slice(0, charactersMax);
}
