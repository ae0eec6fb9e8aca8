import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of one server, whose link can go dead without being closed. */
export interface LinkProxy extends AsyncDisposable {
  readonly port: number;
  /** `nats://` and where it listens. */
  readonly url: string;
  /**
   * From now on nothing passes in either direction, and every socket stays open: each side thinks the other is slow. New connections are
   * taken, and hear nothing.
   */
  stall(): void;
  /** Everything passes again, what was held back first, unless its sender has gone meanwhile. */
  resume(): void;
  /** Closes every connection; new ones are taken. */
  cut(): void;
}

/** Starts one on a free port of the loopback, in front of `target`, a port there. */
export async function startLinkProxy(target: number): Promise<LinkProxy> {
  const pairs = new Set<Pair>();
  let isStalled = false;
  const server = createServer((near) => {
    const pair = new Pair(near, connect(target, "127.0.0.1"), () => pairs.delete(pair));
    pairs.add(pair);
    if (isStalled) pair.stall();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    url: `nats://127.0.0.1:${address.port}`,
    stall: () => {
      isStalled = true;
      for (const pair of pairs) pair.stall();
    },
    resume: () => {
      isStalled = false;
      for (const pair of pairs) pair.resume();
    },
    cut: () => {
      for (const pair of pairs) pair.end();
    },
    [Symbol.asyncDispose]: async () => {
      for (const pair of pairs) pair.end();
      server.close();
      await once(server, "close");
    },
  };
}

/** The two sockets of one connection. */
class Pair {
  readonly #sockets: readonly [near: Socket, far: Socket];
  readonly #onEnd: () => void;
  #isStalled = false;
  #isBroken = false;

  constructor(near: Socket, far: Socket, onEnd: () => void) {
    this.#sockets = [near, far];
    this.#onEnd = onEnd;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on("data", (chunk) => to.write(chunk));
      from.on("error", () => undefined);
      from.on("close", () => this.#broken());
    }
  }

  stall(): void {
    this.#isStalled = true;
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    this.#isStalled = false;
    if (this.#isBroken) this.end();
    else for (const socket of this.#sockets) socket.resume();
  }

  end(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#onEnd();
  }

  /** Over a dead link the other side does not hear of it. */
  #broken(): void {
    this.#isBroken = true;
    if (!this.#isStalled) this.end();
  }
}
