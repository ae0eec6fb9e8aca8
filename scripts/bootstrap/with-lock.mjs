import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { say } from "./say.mjs";

/**
 * Does `work` while no other process of this machine does the same for this folder. The lock is a name in Linux's
 * abstract socket space: it goes with its holder, however that ended, so there is nothing to clean up. Elsewhere there
 * is no lock, and two first starts at once are not supported.
 */
export async function withLock(folder, work) {
  if (process.platform !== "linux") return work();
  const name = `\0scbe-bootstrap-${createHash("sha256").update(folder).digest("hex").slice(0, 32)}`;
  const lock = await take(name);
  try {
    return await work();
  } finally {
    for (const waiting of lock.waiting) waiting.destroy();
    lock.server.close();
  }
}

async function take(name) {
  for (let tries = 0; ; tries += 1) {
    const lock = await tryToTake(name);
    if (lock !== undefined) return lock;
    if (tries === 0) say("waiting for another process that is installing");
    await holderGone(name);
  }
}

async function tryToTake(name) {
  const waiting = new Set();
  const server = createServer((socket) => {
    waiting.add(socket);
    socket.on("error", () => undefined).on("close", () => waiting.delete(socket));
  });
  try {
    server.listen(name);
    await once(server, "listening");
    server.unref();
    return { server, waiting };
  } catch (error) {
    if (error.code === "EADDRINUSE") return undefined;
    throw error;
  }
}

/** The holder accepts our connection and never writes: its end is ours. */
async function holderGone(name) {
  const socket = connect(name);
  await new Promise((resolve) =>
    socket
      .on("error", () => undefined)
      .on("close", resolve)
      .resume(),
  );
  await delay(50);
}
