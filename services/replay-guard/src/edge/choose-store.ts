import { randomBytes } from "node:crypto";
import type { Clock, Logger } from "@scbe/runtime";
import type { ReplayGuardConfig } from "../config.ts";
import type { ReplayStore } from "../ports.ts";
import { memoryStore } from "./memory-store.ts";
import { connectRedis } from "./redis-connection.ts";
import { RedisStore } from "./redis-store.ts";

/** Entries that one provider may have in the store that is chosen: of a process's memory an equal share. */
export function quotaOf(config: ReplayGuardConfig): number {
  const quota = config.SCBE_REPLAY_PROVIDER_QUOTA;
  if (isShared(config)) return quota;
  const share = Math.floor(config.SCBE_REPLAY_MEMORY_ENTRIES / config.SCBE_PROVIDERS.length);
  return Math.min(quota, Math.max(1, share));
}

function isShared({ REDIS_URL, REDIS_SENTINELS }: ReplayGuardConfig): boolean {
  return REDIS_URL !== undefined || REDIS_SENTINELS !== undefined;
}

/** Redis where the configuration names one, else this process's memory. Comes back at once, connected or not. */
export function chooseStore(config: ReplayGuardConfig, clock: Clock, log: Logger): ReplayStore {
  const quota = quotaOf(config);
  if (!isShared(config)) {
    const id = `memory-${randomBytes(16).toString("hex")}`;
    log.warn("no Redis is configured: what was admitted is remembered in this process alone");
    const entriesMax = config.SCBE_REPLAY_MEMORY_ENTRIES;
    return memoryStore({ clock, entriesMax, quota, id });
  }
  const connection = connectRedis(config, log);
  return new RedisStore({ connection, db: config.REDIS_REPLAY_DB, quota, clock, log });
}
