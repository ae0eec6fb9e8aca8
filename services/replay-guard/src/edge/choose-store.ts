import { randomBytes } from "node:crypto";
import type { Clock, Logger } from "@scbe/service-kit";
import type { ReplayGuardConfig } from "../config.ts";
import type { ReplayStore } from "../ports.ts";
import { memoryStore } from "./memory-store.ts";
import { connectRedis } from "./redis-connection.ts";
import { RedisStore } from "./redis-store.ts";

/** Redis where the configuration names one, else this process's memory. Comes back at once, connected or not. */
export function chooseStore(config: ReplayGuardConfig, clock: Clock, log: Logger): ReplayStore {
  if (config.REDIS_URL === undefined && config.REDIS_SENTINELS === undefined) {
    const id = `memory-${randomBytes(16).toString("hex")}`;
    log.warn("no Redis is configured: what was admitted is remembered in this process alone");
    return memoryStore({ clock, entriesMax: config.SCBE_REPLAY_MEMORY_ENTRIES, id });
  }
  return new RedisStore({ connection: connectRedis(config, log), db: config.REDIS_REPLAY_DB, clock, log });
}
