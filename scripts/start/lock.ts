import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Takes the lock of a folder for this process, or says that another one has it. On Linux it is a name in the abstract
 * socket space, which goes with its holder, however that ended. Elsewhere the ports of the services are the only lock.
 */
export async function takeLock(folder: string): Promise<Disposable | undefined> {
  if (process.platform !== "linux") return { [Symbol.dispose]: () => undefined };
  const id = createHash("sha256").update(folder).digest("hex").slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(`\0scbe-start-${id}`);
    await once(server, "listening");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") return undefined;
    throw error;
  }
  server.unref();
  return { [Symbol.dispose]: () => void server.close() };
}
