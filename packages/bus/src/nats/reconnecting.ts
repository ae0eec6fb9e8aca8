import type { Logger } from "@scbe/runtime";
import { LogLimiter } from "@scbe/runtime";
import { ReconnectPause } from "./reconnect-pause.ts";

const USER_REFUSED = "this user's credentials are no longer accepted: were they removed or replaced?";

export interface ReconnectingOptions {
  readonly log: Logger;
  /** Why the last try was refused; also called again with the same reason. */
  readonly onRefused?: ((reason: string) => void) | undefined;
}

/**
 * A connection that is down, between its tries: which server it does not use, who refuses its user, when it tries again. It never gives up; each
 * kind of refusal is logged at once, and then once a minute.
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

  /** From now on servers are asked for what is wrong with them before they are used. */
  guard(problem: () => string | undefined): void {
    this.#problem = problem;
  }

  /** False when the server that is connected to must not be used. The next try is a plain one: a good server is found soon. */
  takesServer(): boolean {
    const problem = this.#problem();
    this.#isServerRefused = problem !== undefined;
    if (problem !== undefined) this.#tell("server", problem);
    return problem === undefined;
  }

  /** What the library asks for before each try. */
  waitMs(): number {
    return this.#pause.waitMs();
  }

  /** A try at `server` begins. */
  tries(server: string): void {
    this.#isServerRefused = false;
    this.#pause.tries(server);
  }

  /** The server has refused the user, unless it was shown no credentials because of {@link takesServer}. */
  userRefused(): void {
    if (this.#isServerRefused) return;
    this.#pause.refused();
    this.#tell("user", USER_REFUSED);
  }

  /** The connection is back. */
  ends(): void {
    this.#pause.ends();
    this.#limits = newLimits();
  }

  #tell(kind: "server" | "user", reason: string): void {
    const { log, onRefused } = this.#options;
    this.#limits[kind].note(performance.now(), (tries) => log.error({ tries }, reason));
    onRefused?.(reason);
  }
}

function newLimits() {
  return { server: new LogLimiter(), user: new LogLimiter() };
}
