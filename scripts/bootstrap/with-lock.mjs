import { mkdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { takeLock } from "../../packages/runtime/src/lock-file.mjs";
import { say } from "./say.mjs";

const LOOK_EVERY_MS = 200;

/** Runs `work` while this process holds the lock of the folder, which is created if it is missing. */
export async function withLock(folder, work) {
  mkdirSync(folder, { recursive: true });
  const release = await take(folder);
  try {
    return await work();
  } finally {
    release();
  }
}

async function take(folder) {
  for (let waitsFor; ; await delay(LOOK_EVERY_MS)) {
    const result = takeLock(folder);
    if (result.kind === "taken") return result.release;
    if (result.pid !== waitsFor) say(`waiting for process ${result.pid}, which is installing`);
    waitsFor = result.pid;
  }
}
