import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Bus, connectBus } from "@scbe/bus";
import {
  type AdmitItem,
  type AdmitVerdict,
  decodeVerdicts,
  EpochRecord,
  encodeAdmitBatch,
  isScbeError,
  SUBJECTS,
  subjectOf,
} from "@scbe/contracts";
import { type Clock, readConfig } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import {
  createStoreHost,
  eventually,
  type RedisServer,
  type SecuredNats,
  type TestHost,
} from "@scbe/testkit";
import { Redis } from "ioredis";
import { config, type ReplayGuardConfig } from "../src/config.ts";
import { start } from "../src/service.ts";
import { Traffic } from "./traffic.ts";

/** The guard's configuration from some variables. @throws Error with every problem */
export function guardConfig(variables: Readonly<Record<string, string>>): ReplayGuardConfig {
  const reading = readConfig(config, { SCBE_PROVIDERS: "openai", ...variables });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  return reading.config;
}

export interface Guard extends AsyncDisposable {
  readonly host: TestHost;
  /** Resolves when it is ready. */
  ready(timeoutMs?: number): Promise<void>;
  /** Its dependencies that are away, and why. */
  reasons(): string;
  /** The sum of a metric's values with these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

export interface GuardOptions {
  readonly nats: SecuredNats;
  readonly variables?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
}

/** A guard in this process, on its own connection. */
export async function startGuard({ nats, variables = {}, clock }: GuardOptions): Promise<Guard> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await createStoreHost(nats, "replay-guard", clock && { clock }));
  stack.use(await start(guardConfig(variables), host));
  const held = stack.move();
  return {
    host,
    ready: async (timeoutMs = 5000) => {
      await eventually(() => host.readiness.ready, { timeoutMs }).catch((cause) => {
        throw new Error(`not ready: ${JSON.stringify(host.readiness.report())}`, { cause });
      });
    },
    reasons: () =>
      host.readiness
        .report()
        .filter(({ ok }) => !ok)
        .map(({ name, reason }) => `${name}: ${reason}`)
        .join("\n"),
    metric: async (name, labels = {}) => {
      const values = (await host.metrics.getSingleMetric(name)?.get())?.values ?? [];
      const isMeant = (given: object): boolean =>
        Object.entries(labels).every(([label, value]) => (given as Record<string, unknown>)[label] === value);
      return values.filter((row) => isMeant(row.labels)).reduce((sum, row) => sum + row.value, 0);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** One guard that is ready, and an opener that knows the epoch. */
export async function startOne(nats: SecuredNats, variables: Readonly<Record<string, string>>) {
  await using stack = new AsyncDisposableStack();
  const guard = stack.use(await startGuard({ nats, variables }));
  await guard.ready();
  const opener = stack.use(await connectOpener(nats));
  const { epoch } = await opener.epoch();
  const held = stack.move();
  return { guard, opener, epoch, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** The calls of openers and sealers to the guards: fetch the epoch and admit. */
export interface Opener extends AsyncDisposable {
  readonly bus: Bus;
  /** Fetches the record in force. */
  epoch(): Promise<EpochRecord>;
  /** An item sealed now or in another minute; by default for the epoch of the guards' last broadcast. */
  item(options?: { epoch?: string; minute?: number; counter?: number; sessionId?: Uint8Array }): AdmitItem;
  admit(items: readonly AdmitItem[], provider?: string): Promise<AdmitVerdict[]>;
  /** As {@link admit}, but a failure is a refusal, as for an opener. */
  tryAdmit(items: readonly AdmitItem[]): Promise<AdmitVerdict[]>;
}

export async function connectOpener(nats: SecuredNats, timeoutMs = 600): Promise<Opener> {
  const log = createLogger({ name: "opener", level: "silent" });
  const bus = await connectBus({ ...nats.transport("envelope"), name: "envelope", log });
  let current: string | undefined;
  bus.subscribe(SUBJECTS.epoch, ({ data }) => {
    current = EpochRecord.parse(JSON.parse(Buffer.from(data).toString())).epoch;
  });
  const again = { timeoutMs, againAfterMs: 250 };
  const opener: Opener = {
    bus,
    epoch: async () => {
      const { data } = await bus.request(subjectOf("epochGet", { user: bus.user }), new Uint8Array(0), {
        timeoutMs: 2000,
        againAfterMs: 250,
      });
      const record = EpochRecord.parse(JSON.parse(Buffer.from(data).toString()));
      current = record.epoch;
      return record;
    },
    item: ({
      epoch = current ?? "",
      minute = Math.floor(Date.now() / 60_000),
      counter = 1,
      sessionId,
    } = {}) => {
      const session = sessionId ?? randomBytes(32);
      if (sessionId === undefined) (session as Buffer).writeUInt32BE(minute);
      return {
        epoch: Buffer.from(epoch, "base64url"),
        sessionId: session,
        counter,
        replayNonce: randomBytes(24),
        tag: randomBytes(16),
        attempt: randomBytes(16),
      };
    },
    admit: async (items, provider = "openai") => {
      const batch = encodeAdmitBatch(items);
      const { data } = await untilServed(() =>
        bus.request(subjectOf("admit", { user: bus.user, provider }), batch, again),
      );
      return decodeVerdicts(data, items.length);
    },
    tryAdmit: (items) => opener.admit(items).catch(() => items.map(() => "refused" as const)),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
  return opener;
}

/** Tries again while no guard is in the queue group, as openers do: a guard can leave it for a moment. */
async function untilServed<T>(send: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 2000;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!isScbeError(error, "NO_RESPONDERS") || performance.now() > deadline) throw error;
      await delay(20);
    }
  }
}

/** Another attempt to open the same envelope. */
export function again(item: AdmitItem): AdmitItem {
  return { ...item, attempt: randomBytes(16) };
}

/** Guards on the same or different stores, and traffic through them. */
export async function startTraffic(nats: SecuredNats, urls: readonly string[], clock?: Clock) {
  await using stack = new AsyncDisposableStack();
  const guards: Guard[] = [];
  for (const url of urls) {
    const options = { nats, variables: { REDIS_URL: url }, ...(clock !== undefined && { clock }) };
    guards.push(stack.use(await startGuard(options)));
  }
  const opener = stack.use(await connectOpener(nats));
  const traffic = stack.use(new Traffic(opener));
  await traffic.flows();
  const held = stack.move();
  return { guards, opener, traffic, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Runs commands at a server, like an operator. */
export async function redisCall(
  redis: RedisServer,
  ...commands: readonly (readonly string[])[]
): Promise<unknown[]> {
  const connection = new Redis(redis.url, { db: 1 });
  try {
    return await Promise.all(commands.map(([name = "", ...args]) => connection.call(name, ...args)));
  } finally {
    connection.disconnect();
  }
}
