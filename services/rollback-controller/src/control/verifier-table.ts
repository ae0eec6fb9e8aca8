import type { LeaseRequest, VerifierState } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { Listeners } from "@scbe/runtime";
import type { VerifierReport } from "../ports.ts";
import {
  FORGOTTEN_AFTER_MS,
  type KnownVerifier,
  type KnownVerifiers,
  type Moment,
  monotonicOf,
  wallOf,
} from "./known-verifiers.ts";

export interface VerifierTableOptions {
  readonly leaseMs: number;
  /** Verifiers that are counted of each user. */
  readonly verifiersMax: number;
}

interface Row {
  /** undefined: another controller heard it, and what it holds is unknown here. */
  readonly held: LeaseRequest["held"] | undefined;
  readonly fallback: boolean;
  readonly heardAtMs: number;
}

interface UserRows {
  /** By the verifier's id; the longest silent first. */
  readonly rows: Map<string, Row>;
  /** When a verifier last got no row. */
  crowdedAtMs: number | undefined;
  /** When another controller last heard a verifier that it could not name. */
  unnamedAtMs: number | undefined;
  /** When each verifier left; the oldest first. */
  readonly left: Map<string, number>;
}

/**
 * What verifiers hold by their last lease request, and which verifiers earlier leaders heard. Rows belong to the user that the subject
 * names, so the verifiers that one user invents take no row from another user. Enforcement rests on leases that run out, not on these
 * rows: they show a person whether a kill has arrived.
 */
export class VerifierTable {
  readonly #leaseMs: number;
  readonly #verifiersMax: number;
  readonly #listeners = new Listeners();
  readonly #users = new Map<string, UserRows>();

  constructor({ leaseMs, verifiersMax }: VerifierTableOptions) {
    this.#leaseMs = leaseMs;
    this.#verifiersMax = verifiersMax;
  }

  /** Runs when a request has added a verifier that holds anything, or removed a verifier. */
  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  /**
   * Notes a lease request. False: the user has more active verifiers than are counted, and this one is not counted.
   * @param nowMs of a monotonic clock, here and below
   */
  note(
    user: string,
    { verifier, held, fallback, leaving }: Pick<LeaseRequest, "verifier" | "held" | "fallback" | "leaving">,
    nowMs: number,
  ): boolean {
    const its = this.#rowsOf(user);
    const before = its.rows.get(verifier);
    its.rows.delete(verifier);
    if (leaving === true) {
      this.#noteLeft(its, verifier, nowMs);
      if (before !== undefined) this.#listeners.notify();
      return true;
    }
    if (its.rows.size >= this.#verifiersMax && !this.#makeRoom(its.rows, nowMs)) {
      its.crowdedAtMs = nowMs;
      return false;
    }
    its.rows.set(verifier, { held, fallback, heardAtMs: nowMs });
    if (held !== null && (before === undefined || before.held === null)) this.#listeners.notify();
    return true;
  }

  /**
   * Adds the verifiers that another controller heard: they count as silent until they send a request here. A future time counts as now,
   * since that controller's clock may be ahead.
   */
  recall({ heard, more }: KnownVerifiers, moment: Moment): void {
    for (const [user, its] of Map.groupBy(heard, ({ user }) => user))
      this.#recallOf(this.#rowsOf(user), its, moment);
    for (const [user, at] of more) markUnnamed(this.#rowsOf(user), monotonicOf(at, moment));
    this.#forget(moment.nowMs);
  }

  /** All recently heard verifiers that hold a document, or may hold one. */
  known(moment: Moment): Pick<KnownVerifiers, "heard" | "more"> {
    this.#forget(moment.nowMs);
    const more = new Map<string, number>();
    const heard: KnownVerifier[] = [];
    for (const [user, { rows, crowdedAtMs, unnamedAtMs }] of this.#users) {
      const moreAtMs = laterOf(crowdedAtMs, unnamedAtMs);
      if (moreAtMs !== undefined) more.set(user, wallOf(moreAtMs, moment));
      for (const [verifier, { held, fallback, heardAtMs }] of rows)
        if (held !== null) heard.push({ user, verifier, heardAt: wallOf(heardAtMs, moment), fallback });
    }
    return { heard, more };
  }

  /** Forgets all other users. */
  keep(isUser: (user: string) => boolean): void {
    for (const user of this.#users.keys()) if (!isUser(user)) this.#users.delete(user);
  }

  reports(current: ControlDocument | undefined, nowMs: number): readonly VerifierReport[] {
    this.#forget(nowMs);
    return [...this.#users].flatMap(([name, { rows }]) =>
      Array.from(rows.values(), (row) => ({
        name,
        generation: row.held?.generation,
        permitsFallback: row.fallback,
        state: this.#stateOf(row, current, nowMs),
        ageMs: nowMs - row.heardAtMs,
      })),
    );
  }

  /** Users that recently had more active verifiers than are counted. */
  crowded(nowMs: number): readonly string[] {
    this.#forget(nowMs);
    return [...this.#users].flatMap(([user, { crowdedAtMs }]) => (crowdedAtMs === undefined ? [] : [user]));
  }

  /** Users with more verifiers than another controller could name, so some may be silent. */
  unnamed(nowMs: number): readonly string[] {
    this.#forget(nowMs);
    return [...this.#users].flatMap(([user, { unnamedAtMs }]) => (unnamedAtMs === undefined ? [] : [user]));
  }

  #recallOf(its: UserRows, heard: readonly KnownVerifier[], moment: Moment): void {
    for (const { verifier, heardAt, fallback } of heard) {
      const heardAtMs = monotonicOf(heardAt, moment);
      const row = its.rows.get(verifier);
      const isNewer = row === undefined || (this.#isSilent(row, moment.nowMs) && heardAtMs > row.heardAtMs);
      if (!isNewer || (its.left.get(verifier) ?? Number.NEGATIVE_INFINITY) >= heardAtMs) continue;
      if (row !== undefined || its.rows.size < this.#verifiersMax)
        its.rows.set(verifier, { held: undefined, fallback, heardAtMs });
      else markUnnamed(its, heardAtMs);
    }
    const sorted = [...its.rows].sort(([, a], [, b]) => a.heardAtMs - b.heardAtMs);
    its.rows.clear();
    for (const [verifier, row] of sorted) its.rows.set(verifier, row);
  }

  #noteLeft({ left }: UserRows, verifier: string, nowMs: number): void {
    left.delete(verifier);
    left.set(verifier, nowMs);
    const [oldest] = left.keys();
    if (left.size > this.#verifiersMax && oldest !== undefined) left.delete(oldest);
  }

  #rowsOf(user: string): UserRows {
    const known = this.#users.get(user);
    if (known !== undefined) return known;
    const made: UserRows = {
      ...{ rows: new Map(), left: new Map() },
      ...{ crowdedAtMs: undefined, unnamedAtMs: undefined },
    };
    this.#users.set(user, made);
    return made;
  }

  /** Removes the verifier that was silent for longest, or one that holds nothing and so seals nothing. An active one stays. */
  #makeRoom(rows: Map<string, Row>, nowMs: number): boolean {
    const [oldest] = rows;
    if (oldest === undefined) return false;
    const [verifier, row] = oldest;
    if (this.#isSilent(row, nowMs)) return rows.delete(verifier);
    for (const [idle, { held }] of rows) if (held === null) return rows.delete(idle);
    return false;
  }

  #stateOf(row: Row, current: ControlDocument | undefined, nowMs: number): VerifierState {
    if (this.#isSilent(row, nowMs)) return "stale";
    const digest = row.held?.digest;
    return digest !== undefined && digest === current?.digest ? "converged" : "behind";
  }

  #isSilent({ held, heardAtMs }: Row, nowMs: number): boolean {
    return held === undefined || nowMs - heardAtMs > this.#leaseMs;
  }

  #forget(nowMs: number): void {
    for (const [user, its] of this.#users) {
      for (const [verifier, row] of its.rows) {
        // A verifier that holds nothing seals and opens nothing: once it is silent, it is irrelevant.
        const isOver = row.held === null ? this.#isSilent(row, nowMs) : isForgotten(row.heardAtMs, nowMs);
        if (isOver) its.rows.delete(verifier);
      }
      for (const [verifier, leftAtMs] of its.left)
        if (isForgotten(leftAtMs, nowMs)) its.left.delete(verifier);
      if (isForgotten(its.crowdedAtMs, nowMs)) its.crowdedAtMs = undefined;
      if (isForgotten(its.unnamedAtMs, nowMs)) its.unnamedAtMs = undefined;
      if (isEmpty(its)) this.#users.delete(user);
    }
  }
}

function isForgotten(atMs: number | undefined, nowMs: number): boolean {
  return atMs !== undefined && nowMs - atMs > FORGOTTEN_AFTER_MS;
}

function isEmpty({ rows, left, crowdedAtMs, unnamedAtMs }: UserRows): boolean {
  return rows.size + left.size === 0 && crowdedAtMs === undefined && unnamedAtMs === undefined;
}

function markUnnamed(its: UserRows, atMs: number): void {
  its.unnamedAtMs = laterOf(its.unnamedAtMs, atMs);
}

function laterOf(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}
