import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of one nats-server, whose INFO may name another version. */
export interface VersionProxy extends AsyncDisposable {
  /** `nats://` and where it listens. */
  readonly url: string;
  /** What INFO says from the next connection on; `undefined`: what the server says. */
  version: string | undefined;
  /** Connections taken so far. */
  readonly connections: number;
  /** All that clients have written on connections whose INFO named {@link version}. */
  readonly written: string;
  /** Closes every connection; new ones are taken. */
  cut(): void;
}

/** Starts one on a free port of the loopback, in front of `target`, a port there. */
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
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${address.port}`,
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

/** What the client writes goes to the server as it is; one side's end is the other's. */
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

/** What the server writes goes to the client, with another version in its first line. */
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
