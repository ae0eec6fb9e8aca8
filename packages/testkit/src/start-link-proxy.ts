import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { listenOnLoopback } from "./listen.ts";

/** A TCP proxy in front of one server, whose link can go dead without being closed. */
export interface LinkProxy extends AsyncDisposable {
  readonly port: number;
  /** `nats://` and where it listens. */
  readonly url: string;
  /**
   * Stops the traffic in both directions and keeps every socket open, so each side takes the other for slow. New connections are
   * accepted, and get no data.
   */
  stall(): void;
  /** Forwards again, first the data that was held back, except that of closed connections. */
  resume(): void;
  /** Closes every connection, and accepts new ones. */
  cut(): void;
}

/** Starts on a free port of the loopback, in front of the port `target` there. */
export async function startLinkProxy(target: number): Promise<LinkProxy> {
  const pairs = new Set<Pair>();
  let isStalled = false;
  const server = createServer((near) => {
    const pair = new Pair(near, connect(target, "127.0.0.1"), () => pairs.delete(pair));
    pairs.add(pair);
    if (isStalled) pair.stall();
  });
  const port = await listenOnLoopback(server);
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
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

  /** On a stalled link the other side does not notice. */
  #broken(): void {
    this.#isBroken = true;
    if (!this.#isStalled) this.end();
  }
}
