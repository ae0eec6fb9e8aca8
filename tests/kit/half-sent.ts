import { connect, type Socket } from "node:net";

/** Opens so many requests that never end; each that the server closes is opened again, until it is disposed of. */
export function holdHalfSent(url: string, count: number): AsyncDisposable {
  const sockets = new Set<Socket>();
  let isOver = false;
  const hold = (): void => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1")
      .on("error", () => undefined)
      .resume();
    sockets.add(socket);
    socket.write("POST /feature-flags HTTP/1.1\r\nHost: localhost\r\nContent-Le");
    socket.once("close", () => {
      sockets.delete(socket);
      if (!isOver) setTimeout(hold, 50);
    });
  };
  for (let n = 0; n < count; n += 1) hold();
  return {
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}
