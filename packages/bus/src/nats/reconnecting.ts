import { backoffMs, type Logger, LogLimiter } from "@scbe/runtime";
import { DebugEvents, Events, ErrorCode as NatsCode, type NatsConnection, type Status } from "nats";

export interface LinkEvents {
  onDown(): void;
  onUp(): void;
  /** The server refused an operation: this user may not use the subject. */
  onRefused(operation: "publish" | "subscription", subject: string): void;
}

/** Errors of a server that refuses the connecting user. */
const USER_REFUSALS: ReadonlySet<unknown> = new Set([
  NatsCode.AuthorizationViolation,
  NatsCode.AuthenticationExpired,
  NatsCode.AccountExpired,
]);

/** Follows a connection's state, which the client library reports in an iterator only, until it is closed. */
export async function followLink(
  connection: NatsConnection,
  reconnecting: Reconnecting,
  log: Logger,
  events: LinkEvents,
): Promise<void> {
  let isDown = false;
  for await (const status of connection.status()) {
    if (status.type === Events.Disconnect) {
      isDown = true;
      events.onDown();
    } else if (status.type === DebugEvents.Reconnecting) {
      reconnecting.tries(String(status.data));
    } else if (status.type === Events.Error) {
      if (isDown && USER_REFUSALS.has(status.data)) reconnecting.userRefused();
      else reportError(status, log, events);
    } else if (status.type === Events.Reconnect && isDown) {
      // The library reports one for each try that failed after the server had answered.
      if (reconnecting.acceptsServer()) {
        isDown = false;
        reconnecting.ends();
        events.onUp();
      } else {
        // A server without users accepts a connection without credentials, too. This fails if the connection is being closed.
        await connection.reconnect().catch(() => undefined);
      }
    }
  }
}

function reportError({ data, permissionContext: refused }: Status, log: Logger, events: LinkEvents): void {
  if (refused === undefined) {
    log.warn({ code: data }, "the NATS server reported an error");
    return;
  }
  log.error({ operation: refused.operation, subject: refused.subject }, "NATS does not allow this");
  events.onRefused(refused.operation as "publish" | "subscription", refused.subject);
}

const USER_REFUSED = "this user's credentials are no longer accepted: were they removed or replaced?";

export interface ReconnectingOptions {
  readonly log: Logger;
  /** Gets the reason of every refusal, also if it is the same as before. */
  readonly onRefused?: ((reason: string) => void) | undefined;
}

/**
 * The state between the tries of a connection that is down: which server must not be used, whether the user is refused, when to try again. It never
 * gives up. Each kind of refusal is logged at once, and then once a minute.
 */
export class Reconnecting {
  readonly #options: ReconnectingOptions;
  readonly #pause = new ReconnectPause();
  #limits = newLimits();
  #problem: () => string | undefined = () => undefined;
  #isServerRefused = false;

  constructor(options: ReconnectingOptions) {
    this.#options = options;
  }

  /** From now on, checks each server before it is used. */
  guard(problem: () => string | undefined): void {
    this.#problem = problem;
  }

  /** False if the connected server must not be used. The pause before the next try is short then: another server may be good. */
  acceptsServer(): boolean {
    const problem = this.#problem();
    this.#isServerRefused = problem !== undefined;
    if (problem !== undefined) this.#report("server", problem);
    return problem === undefined;
  }

  /** The library calls it before each try; see {@link ReconnectPause.waitMs}. */
  waitMs(): number {
    return this.#pause.waitMs();
  }

  /** A try at `server` begins. */
  tries(server: string): void {
    this.#isServerRefused = false;
    this.#pause.tries(server);
  }

  /** The server has refused the user; ignored if {@link acceptsServer} has withheld the credentials. */
  userRefused(): void {
    if (this.#isServerRefused) return;
    this.#pause.refused();
    this.#report("user", USER_REFUSED);
  }

  /** The connection is back. */
  ends(): void {
    this.#pause.ends();
    this.#limits = newLimits();
  }

  #report(kind: "server" | "user", reason: string): void {
    const { log, onRefused } = this.#options;
    this.#limits[kind].note(performance.now(), (tries) => log.error({ tries }, reason));
    onRefused?.(reason);
  }
}

function newLimits() {
  return { server: new LogLimiter(), user: new LogLimiter() };
}

const RETRY_MS = 250;
/** After refusals in a row: at first up to half a second, as for a server that reloads its configuration; in the end 15 to 30 s. */
const REFUSED = { firstMs: 500, maxMs: 30_000 };
/** A long pause is slept in parts, since the library's timer keeps the process alive although its connection was closed meanwhile. */
const PART_MS = 1000;

/**
 * The wait before the next try: a moment after a plain loss, longer and longer while servers refuse the user. Times are monotonic.
 */
export class ReconnectPause {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #triedAt = new Map<string, number>();
  #refusals = 0;
  #until = Number.NEGATIVE_INFINITY;

  constructor(now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#now = now;
    this.#random = random;
  }

  /** A try at `server` begins. Unless the user is refused again, the next try follows soon. */
  tries(server: string): void {
    this.#triedAt.set(server, this.#now());
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** The server has refused the user. */
  refused(): void {
    this.#refusals += 1;
    this.#until = this.#now() + backoffMs(this.#refusals, this.#random(), REFUSED);
  }

  /** The connection is back. */
  ends(): void {
    this.#refusals = 0;
    this.#until = Number.NEGATIVE_INFINITY;
    this.#triedAt.clear();
  }

  /** How long ago the last try at a server must be. The library calls it before each try, and again after it has slept. */
  waitMs(): number {
    const now = this.#now();
    const left = this.#until - now;
    if (left <= 0) return RETRY_MS + this.#random() * RETRY_MS;
    const oldest = Math.min(now, ...this.#triedAt.values());
    return Math.min(now - oldest + Math.min(left, PART_MS), REFUSED.maxMs);
  }
}
