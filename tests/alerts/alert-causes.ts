import type { Client } from "@scbe/client";
import { eventually } from "@scbe/testkit";
import { forge, headerOf, type KnownKeys } from "../kit/known-keys.ts";
import type { RawCaller } from "../kit/raw-clients.ts";
import { keepDoing } from "../kit/traffic.ts";

/** The participants of a cause. */
export interface Cast {
  /** Has a correct clock, and sends altered envelopes. */
  readonly caller: RawCaller;
  readonly keys: KnownKeys;
  readonly orchestrator: Client;
  /** Two orchestrators with clocks that are seconds off; `idle` sends almost nothing. */
  readonly ahead: Client;
  readonly idle: Client;
  /** Takes most of the CPU from the gateway of a provider, until disposed. */
  starve(provider: string): Promise<AsyncDisposable>;
}

/** A condition at the provider of the same name, until disposed. */
export type Cause = (cast: Cast) => AsyncDisposable;

/** How long a burst lasts. */
export interface CauseTimes {
  readonly burstMs: number;
}

/** All conditions that must raise an alert, and conditions that look alike for a short time. */
export function alertCauses({ burstMs }: CauseTimes) {
  return {
    /** A constant tenth of the traffic is forged. */
    forged: (cast) => keepDoing(500, () => sendMany(cast, "forged", { genuine: 9, forged: 1 })),
    /** A constant third of very little traffic is forged. */
    dripping: (cast) => keepDoing(1000, (turn) => send(cast, "dripping", turn % 3 === 0)),
    /** An attacker with the keys sends a second envelope with the session and counter of the first. */
    reused: (cast) => once(eventually(() => reuse(cast), { timeoutMs: 20_000, everyMs: 200 })),
    starved: (cast) =>
      all(
        soon(cast.starve("starved")),
        keepDoing(1000, () => request(cast.orchestrator, "starved", LARGE)),
        keepDoing(250, () => times(3, () => request(cast.orchestrator, "starved"))),
      ),
    ahead: ({ ahead }) => keepDoing(100, () => request(ahead, "ahead")),
    /** A single forgery. */
    single: (cast) => keepDoing(400, (turn) => send(cast, "single", turn === 5)),
    /** Traffic, one burst of forgeries and wrong clocks, and normal traffic again. */
    burst: (cast) =>
      keepDoing(250, async (turn) => {
        if (turn === FLOWING_TURNS) await burst(cast, burstMs);
        await sendMany(cast, "burst", { genuine: 5, forged: 0 });
      }),
    /** Like `starved` in bursts, with a pause that is longer than a burst is visible. */
    choking: (cast) =>
      all(
        keepDoing(250, () => times(2, () => request(cast.orchestrator, "choking"))),
        keepDoing(15 * burstMs, () => choke(cast, burstMs)),
      ),
    /** Traffic, and rare requests of an orchestrator with a wrong clock. */
    idle: ({ orchestrator, idle }) =>
      keepDoing(200, async (turn) => {
        if (turn % 60 === 0) await request(idle, "idle");
        await times(5, () => request(orchestrator, "idle"));
      }),
    /** Every envelope is sent twice. */
    replayed: (cast) => keepDoing(1000, () => sendTwice(cast, "replayed")),
    /** Like `forged`, until its gateway's metrics disappear. */
    vanishing: (cast) => keepDoing(500, () => sendMany(cast, "vanishing", { genuine: 9, forged: 1 })),
  } as const satisfies Readonly<Record<string, Cause>>;
}

/** Turns of five envelopes each, enough samples for a share. */
const FLOWING_TURNS = 8;
const HELLO = Buffer.from("Hello");
/** Opening it takes longer than a starved process runs at a time. */
const LARGE = Buffer.alloc(7 * 1024 * 1024, "a");

function seal({ caller }: Cast, provider: string): Buffer {
  const content = { provider, model: "gpt-5", intent: "chat", body: HELLO, requestId: crypto.randomUUID() };
  return Buffer.from(caller.verifier.sealer.sealRequest(content).bytes);
}

async function send(cast: Cast, provider: string, isForged: boolean): Promise<void> {
  const bytes = seal(cast, provider);
  const last = bytes.length - 1;
  if (isForged) bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
  expectStatus(await cast.caller.send(provider, bytes), isForged ? "refused" : "sealed");
}

async function sendMany(
  cast: Cast,
  provider: string,
  { genuine, forged }: { readonly genuine: number; readonly forged: number },
): Promise<void> {
  await Promise.all([
    times(genuine, () => send(cast, provider, false)),
    times(forged, () => send(cast, provider, true)),
  ]);
}

async function sendTwice(cast: Cast, provider: string): Promise<void> {
  const bytes = seal(cast, provider);
  expectStatus(await cast.caller.send(provider, bytes), "sealed");
  expectStatus(await cast.caller.send(provider, bytes), "refused");
}

async function reuse(cast: Cast): Promise<true> {
  const first = seal(cast, "reused");
  const second = forge(cast.keys, headerOf(first), Buffer.from("another body"));
  expectStatus(await cast.caller.send("reused", first), "sealed");
  expectStatus(await cast.caller.send("reused", second), "refused");
  return true;
}

/** Some messages of a burst can get lost. */
async function burst(cast: Cast, burstMs: number): Promise<void> {
  const until = performance.now() + burstMs;
  do {
    await Promise.allSettled([
      sendMany(cast, "burst", { genuine: 0, forged: 5 }),
      times(5, () => request(cast.ahead, "burst")),
    ]);
  } while (performance.now() < until);
}

async function choke({ orchestrator, starve }: Cast, burstMs: number): Promise<void> {
  await using _starving = await starve("choking");
  const until = performance.now() + burstMs;
  do {
    // In sequence, since the wait of concurrent requests would look like a wrong clock.
    await Promise.allSettled([request(orchestrator, "choking", LARGE)]);
  } while (performance.now() < until);
}

function times(count: number, action: () => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, action));
}

function request(client: Client, provider: string, body: Buffer = HELLO): Promise<unknown> {
  return client.request({ provider, model: "gpt-5", intent: "chat", body, contentType: "text/plain" });
}

function expectStatus({ status }: { readonly status: string | undefined }, expected: string): void {
  if (status !== expected) throw new Error(`the answer is ${status}, not ${expected}`);
}

/** Disposes a coming resource. @throws the reason why it did not come, at disposal */
function soon(coming: Promise<AsyncDisposable>): AsyncDisposable {
  coming.catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      await (await coming)[Symbol.asyncDispose]();
    },
  };
}

/** Waits for the action. @throws its error, at disposal */
function once(doing: Promise<unknown>): AsyncDisposable {
  doing.catch(() => undefined);
  return { [Symbol.asyncDispose]: () => doing.then(() => undefined) };
}

function all(...several: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(several.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

/** The provider of each cause. */
export type CauseName = keyof ReturnType<typeof alertCauses>;
