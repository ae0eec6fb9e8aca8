import { setTimeout as delay } from "node:timers/promises";
import type { Identity } from "@scbe/bus";
import {
  ACTOR_MAX,
  type ControlAction,
  type ControlState,
  cutText,
  type Environment,
  type Kill,
  REASON_MAX,
  ScbeError,
} from "@scbe/contracts";
import { type ControlDocument, signControl } from "@scbe/envelope/control";
import { backoffMs, type Clock, Listeners, type Logger } from "@scbe/runtime";
import { type ChainEnd, laterEnd } from "../audit/chain.ts";
import type { Actor, Audit, Change, Changed, KillOrder } from "../ports.ts";
import type { Awaited } from "./hand-backs.ts";
import { HeldDocument, PendingKills } from "./held-state.ts";
import {
  basisOf,
  type Issuing,
  KILL_AHEAD,
  nextDocument,
  reconcile,
  type Snapshot,
} from "./next-document.ts";
import { actionOf, applyChange, changeFailure, engageKill, firstState } from "./state.ts";
import type { ControlStore } from "./store.ts";

export interface SignedControlPlaneOptions {
  readonly store: ControlStore;
  /** Signs documents: the key that all controllers share. */
  readonly identity: Identity;
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Environment;
  readonly providers: readonly string[];
  readonly audit: Pick<Audit, "append">;
  /** Broadcasts a document. @throws ScbeError DISCONNECTED */
  send(document: ControlDocument): void;
  /** True if it also broadcasts what another controller stored: that controller may have ended before it could. */
  isRelay?(): boolean;
  /** Runs after an unreadable stored document was replaced; `into` describes the new one. */
  onMended?(into: string): void;
  /** The last known entry of the audit. */
  auditEnd?(): ChainEnd | undefined;
  /** A document that a verifier has announced and not handed back yet. */
  awaited?(): Awaited | undefined;
  /** Runs after each change that was made here. */
  onChanged?(action: ControlAction): void;
  /** Waits before the next try of a write that another controller was quicker than. */
  pause?(tries: number): Promise<void>;
}

/** Tries of one write. All but the last are lost to another controller's write. */
const TRIES_MAX = 32;
const PAUSE = { firstMs: 5, maxMs: 250 };
/** Changes that wait for the one in progress. */
const WAITING_MAX = 256;
/** How long the kill of one provider waits for a document that it can be added to. */
const UNTIL_HELD_MS = 2000;
/** The actor of the kill that replaces an unreadable document. */
const MENDER = "rollback-controller";

/**
 * The control document of one environment, as one of its controllers holds and changes it. A change is stored by compare-and-set and then
 * broadcast. A kill is broadcast and then stored, on top of what was stored meanwhile. Any number of controllers do this side by side;
 * each {@link reconcile} makes the store and the held document agree.
 */
export class SignedControlPlane {
  readonly #options: SignedControlPlaneOptions;
  readonly #first: ControlState;
  readonly #held: HeldDocument;
  readonly #pending = new PendingKills();
  readonly #unstored = new Listeners();
  /** The content of the store at the last read or write. */
  #stored: ControlDocument | undefined;
  #waiting = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: SignedControlPlaneOptions) {
    this.#options = options;
    this.#first = firstState(options.env, options.providers);
    this.#held = new HeldDocument((document) => options.send(document));
  }

  /** The document in force; undefined until the store was read or another controller's broadcast arrived. */
  get current(): ControlDocument | undefined {
    return this.#held.document;
  }

  /** Kills that were ordered here and are not stored yet. */
  get unstoredKills(): number {
    return this.#pending.size;
  }

  onChange(listener: (document: ControlDocument) => void): Disposable {
    return this.#held.onChange(listener);
  }

  /** Runs when something has to be stored: a {@link reconcile} is due. */
  onUnstored(listener: () => void): Disposable {
    return this.#unstored.add(listener);
  }

  /** Takes a document that the controllers' key has signed, from any source; true if it is new. */
  offer(document: ControlDocument): boolean {
    if (!this.#held.take(document)) return false;
    this.#pending.note(document);
    // Another controller may have made it before it received a kill from here.
    this.#engage();
    return true;
  }

  /** Broadcasts the document in force; does nothing while the connection is down. */
  resend(): void {
    this.#held.send();
  }

  /** @see ControlPlane.change */
  async change(change: Change, actor: Actor): Promise<Changed> {
    if (this.#waiting >= WAITING_MAX) throw new ScbeError("BUSY", `${WAITING_MAX} changes wait already`);
    this.#waiting += 1;
    try {
      const awaited = this.#options.awaited?.();
      if (awaited !== undefined) await this.#held.waitFor(awaited.forMs, awaited.generation);
      return await this.#inTurn(() => this.#change(change, actor));
    } finally {
      this.#waiting -= 1;
    }
  }

  /**
   * @see ControlPlane.kill
   * @throws ScbeError BAD_REQUEST for a provider that is not served; NOT_READY or DISCONNECTED if it is not sent yet, but will be
   */
  async kill({ provider, cause }: KillOrder, { by, reason }: Actor): Promise<Changed> {
    const { providers, clock } = this.#options;
    if (provider !== undefined && !providers.includes(provider))
      throw new ScbeError("BAD_REQUEST", `the provider ${JSON.stringify(provider)} is not served`);
    const texts = { reason: oneLine(reason, REASON_MAX), by: oneLine(by, ACTOR_MAX) };
    const kill = { cause, ...texts, since: Math.floor(clock.now()) };
    this.#pending.add({ ...(provider !== undefined && { provider }), kill });
    this.#unstored.notify();
    // It would send flags that were never read. If everything is killed, flags have no effect.
    if (provider !== undefined && (await this.#held.waitFor(UNTIL_HELD_MS)) === undefined) {
      throw new ScbeError("NOT_READY", "no control document is known yet; the kill is sent once one is");
    }
    const before = this.#held.document?.state ?? this.#first;
    if (this.#engage() === undefined && this.#held.isUnsent) this.resend();
    if (this.#held.isUnsent)
      throw new ScbeError("DISCONNECTED", "the kill is sent as soon as the connection to NATS is back");
    return { before, after: this.#held.document?.state ?? before };
  }

  /**
   * Reads the store, takes a newer document from it, and writes what it lacks.
   * @throws UnusableRecord; what the store throws
   */
  async reconcile(): Promise<void> {
    await this.#inTurn(() => this.#write((snapshot) => this.#reconciled(snapshot)));
  }

  /** Sends a document with all pending kills; undefined if the held document already includes them. */
  #engage(): ControlDocument | undefined {
    const held = this.#held.document;
    const before = held?.state ?? this.#first;
    const missing = this.#pending.list().filter((kill) => engageKill(before, kill) !== before);
    const [first] = missing;
    if (first === undefined) return undefined;
    const isStored = held !== undefined && held.digest === this.#stored?.digest;
    const after = isStored
      ? { generation: held.state.generation, digest: held.digest }
      : { generation: held?.state.after ?? 0, digest: held?.state.after_digest };
    const state = missing.reduce(engageKill, before);
    const document = this.#sign(state, { previous: 0, after, ahead: KILL_AHEAD });
    this.#pending.note(document);
    this.#held.take(document);
    this.#held.send();
    this.#unstored.notify();
    this.#record({ before, after: document.state }, first.kill);
    return document;
  }

  async #change(change: Change, actor: Actor): Promise<Changed> {
    let changed: Changed | undefined;
    try {
      await this.#write((snapshot) => {
        const basis = basisOf(snapshot);
        const after = applyChange(change, basis.state);
        const document = after === basis.state ? undefined : this.#sign(after, basis);
        changed = { before: basis.state, after: document?.state ?? after };
        return document;
      });
    } catch (error) {
      this.#unstored.notify();
      throw changeFailure(error);
    }
    if (changed === undefined) throw new ScbeError("INTERNAL", "a change was neither made nor refused");
    if (changed.after !== changed.before) this.#record(changed, actor);
    return changed;
  }

  /** The document that the store must have next; undefined: it is complete. */
  #reconciled(snapshot: Snapshot): ControlDocument | undefined {
    const step = reconcile(snapshot);
    if (step.do === "nothing") return undefined;
    const [now, known] = [snapshot.stored?.state.generation ?? 0, this.#stored?.state.generation ?? 0];
    if (now < known)
      this.#options.log.error(
        { stored: now, known },
        "the store has gone back; writing the document in force again",
      );
    return step.do === "keep" ? step.document : this.#sign(step.basis.state, step.basis);
  }

  /** Reads and writes until a write succeeds, or none is needed. */
  async #write(next: (snapshot: Snapshot) => ControlDocument | undefined): Promise<void> {
    const {
      store,
      isRelay,
      pause = (tries) => delay(backoffMs(tries, Math.random(), PAUSE)),
    } = this.#options;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      const found = await store.read();
      const stored = found?.document;
      if (found !== undefined && found.document === undefined) this.#mend(found.former);
      if (stored !== undefined && this.offer(stored) && isRelay?.() === true) this.resend();
      const pending = this.#pending.list();
      const document = next({ stored, held: this.#held.document, pending, first: this.#first });
      if (document === undefined) {
        if (stored === undefined) return;
        this.#stored = stored;
        this.#pending.removeStored(stored.state);
        return;
      }
      if ((await store.write(document, found?.revision)) !== undefined) {
        if (found !== undefined && stored === undefined)
          this.#options.onMended?.(`a kill of everything, generation ${document.state.generation}`);
        this.#pending.remove(pending);
        this.#wrote(document);
        return;
      }
      await pause(tries);
    }
    throw new ScbeError("NOT_READY", `others wrote first, ${TRIES_MAX} times; try again`);
  }

  /** The lost document may have been a kill. So everything is killed, on top of the newest known document, and a person decides. */
  #mend(former: ControlDocument | undefined): void {
    if (former !== undefined) this.#held.take(former);
    const { clock } = this.#options;
    const kill: Kill = {
      ...{ cause: "integrity", by: MENDER },
      ...{ reason: "the stored control document could not be read", since: Math.floor(clock.now()) },
    };
    if (this.#pending.list().some((pending) => pending.kill.by === MENDER)) return;
    this.#pending.add({ kill });
    this.#engage();
  }

  #wrote(document: ControlDocument): void {
    this.#stored = document;
    if (this.#held.take(document)) this.resend();
    // A kill was sent meanwhile. It supersedes this document, and has to be stored on top of it.
    else if (this.#held.document?.digest !== document.digest) this.#unstored.notify();
  }

  #sign(content: ControlState, issuing: Omit<Issuing, "nowMs">): ControlDocument {
    const { identity, clock, auditEnd } = this.#options;
    // No decision is behind the first state: a verifier that remembers another one keeps that.
    if (content === this.#first) return signControl(content, identity);
    const held = this.#held.document?.state;
    const known = {
      previous: Math.max(issuing.previous, held?.generation ?? 0),
      auditEnd: [held?.audit, auditEnd?.()].reduce(laterEnd, content.audit),
    };
    return signControl(nextDocument(content, { ...issuing, ...known, nowMs: clock.now() }), identity);
  }

  #record({ before, after }: Changed, { by, reason }: Actor): void {
    const { audit, log, clock, onChanged } = this.#options;
    const action = actionOf(before, after, by);
    log.warn({ action, by, reason, generation: after.generation }, "the control document was changed");
    audit.append({ at: clock.now(), action, by, reason, before, after });
    onChanged?.(action);
  }

  /** One after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#work.then(work);
    this.#work = turn.catch(() => undefined);
    return turn;
  }
}

function oneLine(text: string, charactersMax: number): string {
  return cutText(text.replace(/\p{Cc}+/gu, " "), charactersMax);
}
