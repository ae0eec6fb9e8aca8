import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A TCP port of 127.0.0.1 that refuses every connection, and that no program can listen on, until it is disposed of. */
export interface ClosedPort extends Disposable {
  readonly port: number;
}

/** It is the near end of a connection of our own: taken, and not listened on. */
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
