import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer } from "node:net";

/**
 * The TCP port of a server on loopback: a given one, or any. The server binds it, so the number is known once the server reports it or
 * is seen to listen on it. Every later run of the same server gets the same number. No port is picked and freed first: two servers that
 * start at once could then get the same one.
 */
export class Port {
  readonly #wanted: number;
  readonly #candidate: () => number;
  #number = 0;
  #isBound = false;
  #isTried = false;
  readonly #bound = Promise.withResolvers<void>();

  /**
   * @param wanted 0: any free port
   * @param candidate the ports to try, for a server that cannot pick one
   */
  constructor(wanted = 0, candidate: () => number = candidatePort) {
    this.#wanted = wanted;
    this.#candidate = candidate;
  }

  /** The port, or the one that was tried last; 0 before the first try. */
  get number(): number {
    return this.#number;
  }

  /** Resolves when the server listens on it for the first time. */
  get bound(): Promise<void> {
    return this.#bound.promise;
  }

  /** True once the server has listened on it. */
  get isBound(): boolean {
    return this.#isBound;
  }

  /** The port for the next run of a server that picks a free one itself when it gets 0. */
  ask(): number {
    return this.#isBound ? this.#number : this.#wanted;
  }

  /** The port for the next run of a server that cannot pick one: the wanted port first, then another one for each run that failed. */
  try(): number {
    if (!this.#isBound) {
      this.#number = this.#wanted === 0 || this.#isTried ? this.#candidate() : this.#wanted;
      this.#isTried = true;
    }
    return this.#number;
  }

  /** Records that the server listens on `number`. */
  keep(number: number): void {
    this.#number = number;
    this.#isBound = true;
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

/** A TCP port of 127.0.0.1 that refuses every connection, and that no program can listen on, until it is disposed of. */
export interface ClosedPort extends Disposable {
  readonly port: number;
}

/** The port is the near end of an open connection: in use, and without a listener. */
export async function closedPort(): Promise<ClosedPort> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  const socket = connect(address.port, "127.0.0.1");
  const [[far]] = await Promise.all([once(server, "connection"), once(socket, "connect")]);
  server.close();
  return {
    port: socket.localPort ?? 0,
    [Symbol.dispose]: () => {
      socket.destroy();
      far.destroy();
    },
  };
}

/**
 * True when the process with that id listens on the TCP port. A connection alone proves nothing: another program may have had the port
 * before. Always true outside Linux, where it cannot be checked.
 */
export function listensOn(pid: number, port: number): boolean {
  if (process.platform !== "linux") return true;
  const inodes = new Set([...listening(pid, "tcp", port), ...listening(pid, "tcp6", port)]);
  return inodes.size > 0 && socketsOf(pid).some((inode) => inodes.has(inode));
}

/** Above the well-known ports, below the range for outgoing connections. */
const [FIRST, END] = [20_000, 32_000];

/** A port to try, for a server that cannot pick one. It is not reserved: the server binds it, or fails and gets another one. */
export function candidatePort(): number {
  return randomInt(FIRST, END);
}

/**
 * The client port of a nats-server, from the file `<program>_<pid>.ports` that it writes into its `--ports_file_dir`.
 * @returns `undefined` before it listens
 */
export function portFromFile(folder: string, pid: number): number | undefined {
  const name = namesIn(folder).find((file) => file.endsWith(`_${pid}.ports`));
  const text = name === undefined ? "" : linesOf(`${folder}/${name}`).join("\n");
  const [, port] = /"nats":\s*\[\s*"(?:nats|tls):\/\/[^"]*:(\d+)"/.exec(text) ?? [];
  return port === undefined ? undefined : Number(port);
}

const LISTEN = "0A";
const [LOCAL, STATE, INODE] = [1, 3, 9];

/** The inodes of all sockets that listen on the port, in the network namespace of the process. */
function listening(pid: number, table: "tcp" | "tcp6", port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return linesOf(`/proc/${pid}/net/${table}`)
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => row[LOCAL]?.endsWith(suffix) === true && row[STATE] === LISTEN)
    .flatMap((row) => row[INODE] ?? []);
}

function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return namesIn(folder).flatMap((name) => /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${name}`))?.[1] ?? []);
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
