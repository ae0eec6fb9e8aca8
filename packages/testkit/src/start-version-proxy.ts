import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { listenOnLoopback } from "./listen.ts";

/** A TCP proxy in front of one nats-server that can change the version in its INFO. */
export interface VersionProxy extends AsyncDisposable {
  /** `nats://` and where it listens. */
  readonly url: string;
  /** The version in INFO from the next connection on; `undefined`: the server's own. */
  version: string | undefined;
  /** Connections accepted so far. */
  readonly connections: number;
  /** The data that clients wrote on connections with a changed INFO. */
  readonly written: string;
  /** Closes every connection, and accepts new ones. */
  cut(): void;
}

/** Starts on a free port of the loopback, in front of the port `target` there. */
export async function startVersionProxy(target: number): Promise<VersionProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let written = "";
  let version: string | undefined;
  const server = createServer((near) => {
    connections += 1;
    const far = connect(target, "127.0.0.1");
    join(near, far, sockets);
    if (version !== undefined) {
      near.on("data", (chunk) => {
        written += chunk.toString("latin1");
      });
    }
    passOn(far, near, version);
  });
  const port = await listenOnLoopback(server);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    get version() {
      return version;
    },
    set version(it) {
      version = it;
    },
    get connections() {
      return connections;
    },
    get written() {
      return written;
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** Forwards the client's data unchanged, and closes both sides together. */
function join(near: Socket, far: Socket, sockets: Set<Socket>): void {
  near.on("data", (chunk) => far.write(chunk));
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      other.end();
    });
  }
}

/** Forwards the server's data, with another version in its first line. */
function passOn(far: Socket, near: Socket, version: string | undefined): void {
  let first: string | undefined = version === undefined ? undefined : "";
  far.on("data", (chunk) => {
    if (first === undefined) {
      near.write(chunk);
      return;
    }
    first += chunk.toString("latin1");
    if (!first.includes("\r\n")) return;
    near.write(first.replace(/"version":"[^"]*"/, `"version":"${version}"`), "latin1");
    first = undefined;
  });
}
