import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A TCP port on loopback: a given one, or a free one that is picked anew until its first user has got it. */
export class Port {
  #number: number;
  readonly #isGiven: boolean;
  #kept = false;
  #isPicked = false;

  /** @param wanted 0: any free one */
  constructor(wanted = 0) {
    this.#number = wanted;
    this.#isGiven = wanted !== 0;
  }

  get number(): number {
    return this.#number;
  }

  /** Picks it before its time, so that others can be told of it; it may still turn out to be another one. */
  async pick(): Promise<void> {
    await this.take();
    this.#isPicked = true;
  }

  /** The port to listen on. Between the picking and the listening somebody else can take it. */
  async take(): Promise<number> {
    const isFixed = this.#isGiven || this.#kept || this.#isPicked;
    if (!isFixed) this.#number = await freePort();
    this.#isPicked = false;
    return this.#number;
  }

  /** Whoever took it listens on it: from now on it is always this one. */
  keep(): void {
    this.#kept = true;
  }
}

/** True when nobody listens on that port of loopback. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: "127.0.0.1" });
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return true;
  } catch {
    return false;
  }
}

/** True when somebody accepts connections on that port of loopback. @throws Error of the system when nobody does */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
    return true;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  return address.port;
}
