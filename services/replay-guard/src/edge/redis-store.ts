import { decodeVerdicts } from "@scbe/contracts";
import { type Clock, Listeners, type Logger } from "@scbe/runtime";
import type { Redis } from "ioredis";
import { FIELD_BYTES, sessionMinute, VALUE_BYTES, writeItem } from "../domain/judge.ts";
import type {
  AdmitAnswer,
  AdmitRequest,
  Buckets,
  MakeAnswer,
  Occupancy,
  ReplayStore,
  StoreSight,
} from "../ports.ts";
import { type RedisConnection, redisFailure } from "./redis-connection.ts";
import { ADMIT, LOOK, MAKE, MEASURE, type RedisScript } from "./redis-scripts.ts";

export interface RedisStoreOptions {
  readonly connection: RedisConnection;
  readonly db: number;
  /** Envelopes of one provider at most, in all buckets of an epoch together. */
  readonly quota: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The script's verdict for a refusal by the quota; on the wire it is like any other refusal. */
const OVER_QUOTA = "q".charCodeAt(0);
const REFUSED = "x".charCodeAt(0);
/** Bytes of one item in the script's argument: the index of its bucket, field, value. */
const PACKED_BYTES = 1 + FIELD_BYTES + VALUE_BYTES;
/** Between two attempts to find the primary behind the same address. */
const RECONNECT_EVERY_MS = 1000;

/**
 * The replay store in Redis. A bucket is the hash `scbe:replay:<epoch>:<minute>`, which names the providers that have entries. The entries of
 * a provider are the hash `scbe:replay:<epoch>:<provider>:<minute>`, which its first entry makes.
 */
export class RedisStore implements ReplayStore {
  readonly note = undefined;
  readonly #options: RedisStoreOptions;
  readonly #listeners = new Listeners();
  /** Why the server behind this connection can never be used; undefined until it was inspected. */
  #inspected: Promise<string | undefined> | undefined;
  #reconnectAt = 0;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    const changed = (): void => {
      this.#inspected = undefined;
      this.#listeners.notify();
    };
    options.connection.redis.on("ready", changed).on("close", changed);
  }

  async admit({ epoch, store, provider, minutes, items }: AdmitRequest): Promise<AdmitAnswer> {
    const named = [...new Set(items.map(sessionMinute))];
    const others = minutes.filter((minute) => !named.includes(minute));
    const packed = Buffer.allocUnsafe(items.length * PACKED_BYTES);
    for (const [index, item] of items.entries()) {
      packed[index * PACKED_BYTES] = named.indexOf(sessionMinute(item));
      writeItem(item, packed, index * PACKED_BYTES + 1);
    }
    const keys = [...keysOf(epoch, named), ...entriesOf(epoch, provider, [...named, ...others])];
    const { quota } = this.#options;
    const answer = await this.#run(ADMIT, keys, [store, provider, `${quota}`, `${named.length}`, packed]);
    if (!Buffer.isBuffer(answer)) return { isStore: false };
    const overQuota = answer.filter((byte) => byte === OVER_QUOTA).length;
    const onTheWire = answer.map((byte) => (byte === OVER_QUOTA ? REFUSED : byte));
    return { isStore: true, verdicts: decodeVerdicts(onTheWire, items.length), overQuota };
  }

  async make({ epoch, buckets }: Buckets, store: string | undefined): Promise<MakeAnswer> {
    const keys = keysOf(
      epoch,
      buckets.map(({ minute }) => minute),
    );
    const lives = buckets.map(({ lifeMs }) => String(lifeMs));
    const answer = await this.#run(MAKE, keys, [store ?? "", ...lives]);
    return Buffer.isBuffer(answer) ? { made: true, store: answer.toString() } : { made: false };
  }

  async look(epoch: string, minutes: readonly number[]): Promise<StoreSight> {
    const unusable = await this.#inspect();
    if (unusable !== undefined) return { usable: false, reason: unusable };
    const answer = (await this.#run(LOOK, keysOf(epoch, minutes), [])) as readonly Buffer[];
    const [role, store = "", policy, present = ""] = answer.map(String);
    if (role !== "primary") {
      this.#reconnect();
      return { usable: false, reason: "this Redis is a replica" };
    }
    if (policy !== "noeviction") {
      return { usable: false, reason: `maxmemory-policy is ${policy}; it must be noeviction` };
    }
    return { usable: true, store, present: new Set(minutes.filter((_, index) => present[index] === "1")) };
  }

  async measure(epoch: string, minutes: readonly number[]): Promise<Occupancy> {
    const answer = (await this.#run(MEASURE, keysOf(epoch, minutes), [])) as readonly Buffer[];
    const [usedBytes, maxBytes, ...rest] = answer.map(String);
    const entries = new Map<string, number>();
    for (let at = 0; at < rest.length; at += 2) entries.set(rest[at] ?? "", Number(rest[at + 1]));
    return { entries, usedBytes: Number(usedBytes), maxBytes: Number(maxBytes) };
  }

  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    this.#options.connection[Symbol.dispose]();
  }

  /** EVALSHA fails before any effect if Redis does not know the script yet; EVAL then sends its text. */
  async #run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    const { redis } = this.#options.connection;
    try {
      const rest = [keys.length, ...keys, ...args];
      return await redis.callBuffer("EVALSHA", script.sha1, ...rest).catch((error: unknown) => {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return redis.callBuffer("EVAL", script.text, ...rest);
      });
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /** Once for each connection: why the guard cannot use this kind of server; undefined: it can. */
  async #inspect(): Promise<string | undefined> {
    const { connection, db } = this.#options;
    this.#inspected ??= inspect(connection.redis, db);
    try {
      return await this.#inspected;
    } catch (error) {
      this.#inspected = undefined;
      throw redisFailure(error);
    }
  }

  /** The name, or the sentinels, can lead to a primary next time. */
  #reconnect(): void {
    const { connection, clock, log } = this.#options;
    if (clock.monotonic() < this.#reconnectAt) return;
    this.#reconnectAt = clock.monotonic() + RECONNECT_EVERY_MS;
    log.warn("this Redis is a replica; reconnecting");
    connection.redis.disconnect(true);
  }
}

async function inspect(redis: Redis, db: number): Promise<string | undefined> {
  if (/redis_mode:cluster/.test(await redis.info("server"))) {
    return "this is a Redis Cluster, which is not supported; use one server, or sentinels";
  }
  try {
    await redis.select(db);
    return undefined;
  } catch (error) {
    if (error instanceof Error && /out of range/.test(error.message)) {
      return `this Redis has no database ${db} (REDIS_REPLAY_DB)`;
    }
    throw error;
  }
}

function keysOf(epoch: string, minutes: readonly number[]): string[] {
  return minutes.map((minute) => `scbe:replay:${epoch}:${minute}`);
}

function entriesOf(epoch: string, provider: string, minutes: readonly number[]): string[] {
  return minutes.map((minute) => `scbe:replay:${epoch}:${provider}:${minute}`);
}
