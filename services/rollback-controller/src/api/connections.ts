import type { Socket } from "node:net";

export interface ConnectionLimits {
  /** All connections. */
  readonly total: number;
  /** Connections of one address without a valid token. */
  readonly peer: number;
  /** Connections of one token. */
  readonly token: number;
}

/** The limit for which a connection was closed. */
export type ClosedWhy = keyof ConnectionLimits;

/**
 * The open connections of a server by age. The server accepts every new one. Above a limit it closes the oldest connection without a valid
 * token, of the same address first. So an address that opens many loses its own. Neither connections that are held open, nor a limit by
 * address, which one client behind a proxy would use up for all, can keep a request with a token out.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #onClosed: (why: ClosedWhy) => void;
  readonly #anonymous = new Groups();
  readonly #authenticated = new Groups();

  constructor(limits: ConnectionLimits, onClosed: (why: ClosedWhy) => void = () => undefined) {
    this.#limits = limits;
    this.#onClosed = onClosed;
  }

  get counts(): { readonly anonymous: number; readonly authenticated: number } {
    return { anonymous: this.#anonymous.size, authenticated: this.#authenticated.size };
  }

  /** A connection was opened. */
  opened(socket: Socket): void {
    const peer = socket.remoteAddress ?? "";
    this.#anonymous.add(socket, peer);
    socket.once("close", () => this.#forget(socket));
    if (this.#anonymous.sizeOf(peer) > this.#limits.peer) this.#close(this.#anonymous.oldestOf(peer), "peer");
    const { anonymous, authenticated } = this.counts;
    if (anonymous + authenticated <= this.#limits.total) return;
    this.#close(anonymous > 1 ? this.#anonymous.oldest : this.#authenticated.oldest, "total");
  }

  /** A request on the connection had the valid token of that name. */
  authenticated(socket: Socket, token: string): void {
    if (!this.#anonymous.delete(socket)) return;
    this.#authenticated.add(socket, token);
    if (this.#authenticated.sizeOf(token) > this.#limits.token)
      this.#close(this.#authenticated.oldestOf(token), "token");
  }

  #close(socket: Socket | undefined, why: ClosedWhy): void {
    if (socket === undefined) return;
    this.#forget(socket);
    this.#onClosed(why);
    socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#anonymous.delete(socket);
    this.#authenticated.delete(socket);
  }
}

/** Sockets by group, the oldest first. */
class Groups {
  readonly #groupOf = new Map<Socket, string>();
  readonly #groups = new Map<string, Set<Socket>>();

  get size(): number {
    return this.#groupOf.size;
  }

  get oldest(): Socket | undefined {
    return this.#groupOf.keys().next().value;
  }

  sizeOf(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  oldestOf(group: string): Socket | undefined {
    return this.#groups.get(group)?.values().next().value;
  }

  add(socket: Socket, group: string): void {
    this.#groupOf.set(socket, group);
    this.#groups.set(group, (this.#groups.get(group) ?? new Set()).add(socket));
  }

  /** False for an unknown socket. */
  delete(socket: Socket): boolean {
    const group = this.#groupOf.get(socket);
    if (group === undefined) return false;
    this.#groupOf.delete(socket);
    const sockets = this.#groups.get(group);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#groups.delete(group);
    return true;
  }
}

/**
 * The sockets of TCP connections, also of those below TLS: a request on TLS has another socket object. Two open sockets never have the same
 * two ends.
 */
export class RawSockets {
  readonly #sockets = new Map<string, Socket>();

  opened(socket: Socket): void {
    const key = keyOf(socket);
    this.#sockets.set(key, socket);
    socket.once("close", () => {
      if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
    });
  }

  of(socket: Socket): Socket {
    return this.#sockets.get(keyOf(socket)) ?? socket;
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
