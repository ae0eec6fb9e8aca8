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
import { backoffMs, type Clock, type Logger } from "@scbe/runtime";
import { actionOf } from "./action-of.ts";
import { applied, failureOf } from "./domain/apply-change.ts";
import { type ChainEnd, laterEnd } from "./domain/audit-chain.ts";
import { engageKill } from "./domain/engage-kill.ts";
import { firstState } from "./domain/first-state.ts";
import { type Issuing, KILL_AHEAD, nextDocument } from "./domain/next-document.ts";
import { basisOf, type Standing, settle } from "./domain/settle.ts";
import type { Awaited } from "./hand-backs.ts";
import { HeldDocument } from "./held-document.ts";
import { PendingKills } from "./pending-kills.ts";
import type {
  Actor,
  Audit,
  Change,
  Changed,
  ControlStore,
  KillOrder,
  StoredControl,
  UnreadableControl,
} from "./ports.ts";

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
  /** Once a stored document that could not be read was mended; says into what. */
  onMended?(into: string): void;
  /** The last entry of the audit that is known here. */
  auditEnd?(): ChainEnd | undefined;
  /** A document that a verifier is about to hand back, where one is. */
  awaited?(): Awaited | undefined;
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

  onChange(listener: (document: ControlDocument) => void): Disposable {
    return this.#held.onChange(listener);
  }

  /** Takes a document that this controller's key has signed, wherever it comes from; true when it is news. */
  offer(document: ControlDocument): boolean {
    if (!this.#held.take(document)) return false;
    this.#pending.seen(document);
    // Another controller may have changed something without having heard of a kill from here.
    this.#engage();
    return true;
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
      const awaited = this.#options.awaited?.();
      if (awaited !== undefined) await this.#held.within(awaited.forMs, awaited.generation);
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
    const after = isStored
      ? { generation: held.state.generation, digest: held.digest }
      : { generation: held?.state.after ?? 0, digest: held?.state.after_digest };
    const state = missing.reduce(engageKill, before);
    const document = this.#sign(state, { previous: 0, after, ahead: KILL_AHEAD });
    this.#pending.seen(document);
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
      throw failureOf(error);
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
      const found = await store.read();
      const stored = isReadable(found) ? found : undefined;
      if (found !== undefined && !isReadable(found)) this.#mend(found.former);
      if (stored !== undefined && this.offer(stored.document) && isRelay?.() === true) this.resend();
      const pending = this.#pending.list();
      const held = this.#held.document;
      const document = next({ stored: stored?.document, held, pending, first: this.#first });
      if (document === undefined) {
        this.#found(stored?.document);
        return;
      }
      if ((await store.write(document, found?.revision)) !== undefined) {
        if (found !== undefined && stored === undefined)
          this.#options.onMended?.(`a kill of everything, generation ${document.state.generation}`);
        this.#pending.settled(pending);
        this.#wrote(document);
        return;
      }
      await pause(tries);
    }
    throw new ScbeError("NOT_READY", `others wrote first, ${TRIES_MAX} times; try again`);
  }

  /**
   * What was stored is not known: it may have been a kill, or a release. So everything is killed, on top of the newest document that is known
   * from anywhere, and a person decides what is to become of it.
   */
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
    const { identity, clock, auditEnd } = this.#options;
    // Nobody has decided the first state: a verifier that remembers another one keeps that.
    if (content === this.#first) return signControl(content, identity);
    const held = this.#held.document?.state;
    const known = {
      previous: Math.max(issuing.previous, held?.generation ?? 0),
      auditEnd: [held?.audit, auditEnd?.()].reduce(laterEnd, content.audit),
    };
    return signControl(nextDocument(content, { ...issuing, ...known, nowMs: clock.now() }), identity);
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

function pauseMs(tries: number): Promise<void> {
  return delay(backoffMs(tries, Math.random(), PAUSE));
}

function isReadable(found: StoredControl | UnreadableControl | undefined): found is StoredControl {
  return found?.document !== undefined;
}

/** As whom a controller kills what it cannot read. */
const MENDER = "rollback-controller";

function oneLine(text: string, charactersMax: number): string {
  return cutText(text.replace(/\p{Cc}+/gu, " "), charactersMax);
}
