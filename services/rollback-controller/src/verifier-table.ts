import type { LeaseRequest, VerifierState } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { FORGOTTEN_AFTER_MS, type KnownVerifier, type KnownVerifiers } from "./domain/known-verifiers.ts";
import { type Moment, monotonicOf, wallOf } from "./domain/moment.ts";
import type { VerifierReport } from "./ports.ts";

export interface VerifierTableOptions {
  readonly leaseMs: number;
  /** Verifiers that are counted of each user. */
  readonly verifiersMax: number;
  /** Runs when a question has added a verifier that holds anything, or has taken one out. */
  readonly onChange?: () => void;
}

interface Row {
  /** undefined: another controller has heard it, and what it holds is not known here. */
  readonly held: LeaseRequest["held"] | undefined;
  readonly fallback: boolean;
  readonly askedAtMs: number;
}

interface UserRows {
  /** By the verifier's id; those that asked longest ago first. */
  readonly rows: Map<string, Row>;
  /** When a verifier last found no row free. */
  crowdedAtMs: number | undefined;
  /** When another controller last heard one that it could not name. */
  unnamedAtMs: number | undefined;
  /** Those that have left, and when; the oldest first. */
  readonly left: Map<string, number>;
}

/**
 * What verifiers say that they hold, by their last question for a lease, and which ones the leading controllers before have heard. Rows belong to the user that the subject names: what one
 * user invents takes no row from another one. Everything that decides something does so by leases that run out; by these rows a
 * person learns whether a kill has arrived.
 */
export class VerifierTable {
  readonly #leaseMs: number;
  readonly #verifiersMax: number;
  readonly #onChange: () => void;
  readonly #users = new Map<string, UserRows>();

  constructor({ leaseMs, verifiersMax, onChange = () => undefined }: VerifierTableOptions) {
    this.#leaseMs = leaseMs;
    this.#verifiersMax = verifiersMax;
    this.#onChange = onChange;
  }

  /**
   * Notes a question. False: the user has more verifiers at work than are counted, and this one is not.
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
      if (before !== undefined) this.#onChange();
      return true;
    }
    if (its.rows.size >= this.#verifiersMax && !this.#makeRoom(its.rows, nowMs)) {
      its.crowdedAtMs = nowMs;
      return false;
    }
    its.rows.set(verifier, { held, fallback, askedAtMs: nowMs });
    if (held !== null && (before === undefined || before.held === null)) this.#onChange();
    return true;
  }

  /**
   * Adds what another controller has heard: silent ones, until they ask here. Times to come count as now, since its clock may be ahead of this
   * one's.
   */
  recall({ heard, more }: KnownVerifiers, moment: Moment): void {
    for (const [user, its] of Map.groupBy(heard, ({ user }) => user))
      this.#recallOf(this.#rowsOf(user), its, moment);
    for (const [user, at] of more) markUnnamed(this.#rowsOf(user), monotonicOf(at, moment));
    this.#forget(moment.nowMs);
  }

  /** All that hold anything, or may, and were heard lately. */
  known(moment: Moment): Pick<KnownVerifiers, "heard" | "more"> {
    this.#forget(moment.nowMs);
    const more = new Map<string, number>();
    const heard: KnownVerifier[] = [];
    for (const [user, { rows, crowdedAtMs, unnamedAtMs }] of this.#users) {
      const moreAtMs = laterOf(crowdedAtMs, unnamedAtMs);
      if (moreAtMs !== undefined) more.set(user, wallOf(moreAtMs, moment));
      for (const [verifier, { held, fallback, askedAtMs }] of rows)
        if (held !== null) heard.push({ user, verifier, heardAt: wallOf(askedAtMs, moment), fallback });
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
        ageMs: nowMs - row.askedAtMs,
      })),
    );
  }

  /** Users with more verifiers at work, lately, than are counted. */
  crowded(nowMs: number): readonly string[] {
    this.#forget(nowMs);
    return [...this.#users].flatMap(([user, { crowdedAtMs }]) => (crowdedAtMs === undefined ? [] : [user]));
  }

  /** Users of whom another controller has heard more than it could name, so that some may be silent. */
  unnamed(nowMs: number): readonly string[] {
    this.#forget(nowMs);
    return [...this.#users].flatMap(([user, { unnamedAtMs }]) => (unnamedAtMs === undefined ? [] : [user]));
  }

  #recallOf(its: UserRows, heard: readonly KnownVerifier[], moment: Moment): void {
    for (const { verifier, heardAt, fallback } of heard) {
      const askedAtMs = monotonicOf(heardAt, moment);
      const row = its.rows.get(verifier);
      const isNewer = row === undefined || (this.#isSilent(row, moment.nowMs) && askedAtMs > row.askedAtMs);
      if (!isNewer || (its.left.get(verifier) ?? Number.NEGATIVE_INFINITY) >= askedAtMs) continue;
      if (row !== undefined || its.rows.size < this.#verifiersMax)
        its.rows.set(verifier, { held: undefined, fallback, askedAtMs });
      else markUnnamed(its, askedAtMs);
    }
    const sorted = [...its.rows].sort(([, a], [, b]) => a.askedAtMs - b.askedAtMs);
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

  /** The one that has been silent for longest goes, or one that holds nothing, and so does nothing. One that is at work stays. */
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

  #isSilent({ held, askedAtMs }: Row, nowMs: number): boolean {
    return held === undefined || nowMs - askedAtMs > this.#leaseMs;
  }

  #forget(nowMs: number): void {
    for (const [user, its] of this.#users) {
      for (const [verifier, row] of its.rows) {
        // One that holds nothing seals and opens nothing: once it asks no more, nothing is to be said of it.
        const isOver = row.held === null ? this.#isSilent(row, nowMs) : isForgotten(row.askedAtMs, nowMs);
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
