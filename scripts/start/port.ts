import { once } from "node:events";
import { connect } from "node:net";
import { candidatePort } from "@scbe/local-stack";

/**
 * The TCP port of a server on loopback: a given one or any other. The server binds it; what it has got is known once the server
 * tells, or is seen to listen there. From then on it is the same for each further run.
 */
export class Port {
  readonly #wanted: number;
  #number = 0;
  #isKept = false;
  #isTried = false;
  readonly #bound = Promise.withResolvers<void>();

  /** @param wanted 0: any free one */
  constructor(wanted = 0) {
    this.#wanted = wanted;
  }

  /** What it is, or was last tried; 0 before. */
  get number(): number {
    return this.#number;
  }

  /** Resolves when its server listened on it for the first time. */
  get bound(): Promise<void> {
    return this.#bound.promise;
  }

  /** True once its server has listened on it. */
  get isBound(): boolean {
    return this.#isKept;
  }

  /** What a server is to bind that picks a free port itself where it is told 0. */
  ask(): number {
    return this.#isKept ? this.#number : this.#wanted;
  }

  /** What a server is to bind that cannot pick one: the given one first, and another one each time it did not get there. */
  try(): number {
    if (!this.#isKept) {
      this.#number = this.#wanted === 0 || this.#isTried ? candidatePort() : this.#wanted;
      this.#isTried = true;
    }
    return this.#number;
  }

  /** Its server listens on `number`. */
  keep(number: number): void {
    this.#number = number;
    this.#isKept = true;
    this.#bound.resolve();
  }
}

/** True when a program accepts connections on that port of loopback. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
