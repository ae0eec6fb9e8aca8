import { readFileSync } from "node:fs";
import { ScbeError } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { Redis, type RedisOptions } from "ioredis";
import type { ReplayGuardConfig } from "../config.ts";

type RedisConfig = Pick<
  ReplayGuardConfig,
  | "REDIS_URL"
  | "REDIS_REPLAY_DB"
  | "REDIS_TLS_CA"
  | "REDIS_SENTINELS"
  | "REDIS_SENTINEL_NAME"
  | "REDIS_COMMAND_TIMEOUT_MS"
>;

const CONNECT_TIMEOUT_MS = 2000;
const RECONNECT_MS_MAX = 500;

/** Between two attempts to reopen a connection that the client has given up. */
const RENEW_MS = 250;

/** A connection that is reopened until it is disposed of. */
export interface RedisConnection extends Disposable {
  readonly redis: Redis;
}

/**
 * A connection that never repeats or queues a command: a command that was open when the connection was lost may have been carried out, and
 * the next connection may lead to another server.
 */
export function connectRedis(config: RedisConfig, log: Logger): RedisConnection {
  const timeoutMs = config.REDIS_COMMAND_TIMEOUT_MS;
  const redis = new Redis({
    ...addressOf(config),
    db: config.REDIS_REPLAY_DB,
    connectionName: "scbe-replay-guard",
    protocol: 2,
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: timeoutMs,
    socketTimeout: Math.max(2 * timeoutMs, 1000),
    retryStrategy: (tries) => Math.min(tries * 50, RECONNECT_MS_MAX),
    sentinelRetryStrategy: (tries) => Math.min(tries * 50, RECONNECT_MS_MAX),
  });
  redis.on("error", (error: unknown) => log.debug({ why: nameOf(error) }, "the connection to Redis failed"));
  const renewing = renewWhenEnded(redis);
  void redis.connect().catch(() => undefined);
  return {
    redis,
    [Symbol.dispose]: () => {
      renewing[Symbol.dispose]();
      redis.disconnect();
    },
  };
}

/** The client gives up for good when a sentinel reports a failover while it connects. */
function renewWhenEnded(redis: Redis): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const renew = (): void => {
    timer = setTimeout(() => void redis.connect().catch(() => undefined), RENEW_MS);
  };
  redis.on("end", renew);
  return {
    [Symbol.dispose]: () => {
      redis.off("end", renew);
      clearTimeout(timer);
    },
  };
}

/**
 * The failure of a command without its arguments, which ioredis attaches to its errors.
 * @returns ScbeError NOT_READY
 */
export function redisFailure(error: unknown): ScbeError {
  const name = nameOf(error);
  const text = name === "OOM" ? "Redis is out of memory and stores nothing more" : `Redis is away (${name})`;
  return new ScbeError("NOT_READY", text);
}

/** The code of an error of Redis or of the system. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  if ("code" in error && typeof error.code === "string") return error.code;
  if (error.message === "Command timed out") return "no answer in time";
  const [code] = error.message.match(/^[A-Z]{3,}\b/) ?? [];
  if (code !== undefined) return code;
  return /closed|writeable|ended|Socket timeout/.test(error.message) ? "not connected" : error.name;
}

function addressOf(config: RedisConfig): Omit<RedisOptions, "replyMapping"> {
  const { REDIS_URL: url, REDIS_TLS_CA: caFile, REDIS_SENTINELS: sentinels } = config;
  const parsed = url === undefined ? undefined : new URL(url);
  const tls =
    parsed?.protocol === "rediss:"
      ? { ...(caFile !== undefined && { ca: readFileSync(caFile) }), ...serverName(parsed.hostname) }
      : undefined;
  const user = {
    ...(parsed?.username && { username: decodeURIComponent(parsed.username) }),
    ...(parsed?.password && { password: decodeURIComponent(parsed.password) }),
    ...(tls && { tls }),
  };
  if (sentinels === undefined) {
    return { ...user, host: bare(parsed?.hostname ?? "127.0.0.1"), port: Number(parsed?.port || 6379) };
  }
  return {
    ...user,
    sentinels: sentinels.split(",").map((item) => {
      const at = item.lastIndexOf(":");
      return { host: item.slice(0, at), port: Number(item.slice(at + 1)) };
    }),
    name: config.REDIS_SENTINEL_NAME,
    failoverDetector: true,
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  };
}

/** SNI needs a name; an IP address has none. */
function serverName(hostname: string): { servername?: string } {
  return /^[\d.]+$|^\[/.test(hostname) ? {} : { servername: hostname };
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
