import type { Socket } from "node:net";

export interface ConnectionLimits {
  /** All connections. */
  readonly total: number;
  /** Those of one address that have brought no valid token. */
  readonly peer: number;
  /** Those of one token. */
  readonly token: number;
}

/** Why a connection was closed: there are too many of all, of its address, or of its token. */
export type ClosedWhy = keyof ConnectionLimits;

/**
 * The open connections of a server, in the order of their age. A new one is always taken: where there are too many, the oldest one without
 * a valid token is closed, of the same address first. So an address that opens many loses its own, and neither a limit by address, which a
 * proxy would use up for all behind it, nor connections that are held open keep a request with a token away.
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

  /** A request on it has brought the valid token of that name. */
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

/** Sockets by the group that each belongs to, the oldest first. */
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

  /** False when it is not there. */
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
